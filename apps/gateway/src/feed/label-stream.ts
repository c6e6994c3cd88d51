import { formatFrameId, isAfter, type FrameCursor, type StoredEvent } from '@flex/contracts';
import { controlFrame, type EncodedFrame } from '../core/sse-text.js';
import type { FrameOutput } from './frame-output.js';
import type { Decoded, LogObserver, RunFeeds } from './run-feeds.js';
import type { RunHub } from './run-hub.js';

export interface LabelStreamOptions {
  tenant: string;
  /** All of these; none means every run of the tenant. */
  labels: Record<string, string>;
  types?: ReadonlySet<string>;
  /** Everything after this frame. */
  cursor: FrameCursor;
  /** Runs of before that may still say something after the cursor, once the read model has seen this sequence. */
  known: () => Promise<string[]>;
}

/** What one client may be behind before it is told to come back. */
const QUEUE_BYTES = 16 * 1024 * 1024;
const CHUNK_BYTES = 256 * 1024;

interface Watched {
  hub: RunHub;
  place: number;
  onMore(): void;
  onFailure(error: Error): void;
}

/**
 * The frames of many runs as one stream in the order of the log, so that one cursor stands for all of them. Runs that
 * begin are noticed in the log itself; those of before come from the read model.
 */
export class LabelStream implements LogObserver {
  readonly #runs = new Map<string, Watched>();
  readonly #changed = new Set<Watched>();
  #queue: EncodedFrame[] = [];
  #queued = 0;
  #sent: FrameCursor;
  /** Reasons to wait: history that is loading, runs whose labels are not known yet. */
  #holds = 0;
  #scheduled = false;
  #stopObserving: () => void = () => undefined;

  constructor(
    private readonly feeds: RunFeeds,
    private readonly output: FrameOutput,
    private readonly options: LabelStreamOptions,
  ) {
    this.#sent = options.cursor;
  }

  /** Resolves when nothing that happens from now on can be missed. */
  async attach(): Promise<void> {
    this.#holds += 1;
    await this.feeds.attach();
    this.#stopObserving = this.feeds.observe(this);
  }

  /** Takes up the runs of before, then sends. */
  async start(): Promise<void> {
    this.output.whenRoom(() => this.#pump());
    for (const runId of await this.options.known()) {
      if (this.output.closed) return;
      if (this.#runs.has(runId)) continue;
      const hub = await this.feeds.open(runId);
      const place = hub.placeAfter(this.options.cursor);
      if (place === undefined) return this.#resync('too much has happened since');
      this.#watch(runId, hub, place);
    }
    this.#release();
  }

  stop(): void {
    this.#stopObserving();
    for (const watched of this.#runs.values()) watched.hub.unwatch(watched, performance.now());
    this.#runs.clear();
  }

  onMessage(type: string, runId: string, _seq: number, decode: () => Decoded): void {
    if (type !== 'run.submitted' || this.#runs.has(runId)) return;
    const event = decode();
    if (!(event instanceof Promise)) {
      if (this.#fits(event)) this.#watch(runId, this.feeds.adopt(runId), 0);
      return;
    }
    // The envelope lies in the object store: nothing later may be sent before it is known whose it is.
    this.#holds += 1;
    const hub = this.feeds.adopt(runId);
    void event.then((arrived) => {
      if (this.#fits(arrived)) this.#watch(runId, hub, 0);
      this.#release();
    });
  }

  #fits(event: StoredEvent | undefined): boolean {
    if (event?.type !== 'run.submitted' || event.data.tenant !== this.options.tenant) return false;
    const labels = event.data.envelope.metadata?.labels ?? {};
    return Object.entries(this.options.labels).every(([name, value]) => labels[name] === value);
  }

  #watch(runId: string, hub: RunHub, place: number): void {
    const watched: Watched = {
      hub,
      place,
      onMore: () => this.#onMore(watched),
      onFailure: (error) => this.#resync(error.message),
    };
    this.#runs.set(runId, watched);
    hub.watch(watched);
    this.#onMore(watched);
  }

  #onMore(watched: Watched): void {
    this.#changed.add(watched);
    if (this.#scheduled) return;
    this.#scheduled = true;
    // After the whole batch has been taken by all runs: only then is the order across runs complete.
    queueMicrotask(() => {
      this.#scheduled = false;
      this.#pump();
    });
  }

  #release(): void {
    this.#holds -= 1;
    this.#pump();
  }

  #pump(): void {
    if (this.#holds > 0 || this.output.closed) return;
    if (!this.#collect()) return;
    while (this.#queue.length > 0 && !this.output.blocked) this.#send();
  }

  /** Takes what is new of all runs, sorted; later calls can only find what comes after it. */
  #collect(): boolean {
    const fresh: EncodedFrame[] = [];
    for (const watched of this.#changed) {
      const { hub } = watched;
      if (watched.place < hub.first) {
        this.#resync('too slow');
        return false;
      }
      for (; watched.place < hub.end; watched.place++) fresh.push(hub.frame(watched.place)!);
      if (hub.ended) {
        hub.unwatch(watched, performance.now());
        this.#runs.delete(hub.runId);
      }
    }
    this.#changed.clear();
    fresh.sort((a, b) => a.seq - b.seq || a.index - b.index);
    for (const frame of fresh) {
      if (this.options.types && !this.options.types.has(frame.type)) continue;
      if (!isAfter(frame, this.#sent)) continue;
      this.#queue.push(frame);
      this.#queued += frame.bytes.length;
    }
    if (this.#queued <= QUEUE_BYTES) return true;
    this.#resync('too slow');
    return false;
  }

  #send(): void {
    const parts: Uint8Array[] = [];
    let bytes = 0;
    let count = 0;
    for (; count < this.#queue.length && bytes < CHUNK_BYTES; count++) {
      const frame = this.#queue[count]!;
      parts.push(frame.bytes);
      bytes += frame.bytes.length;
      this.#sent = frame;
    }
    this.#queue = this.#queue.slice(count);
    this.#queued -= bytes;
    this.output.write(Buffer.concat(parts, bytes));
  }

  #resync(reason: string): void {
    this.output.write(controlFrame('resync', { cursor: cursorText(this.#sent), reason }));
    this.output.end();
  }
}

/** Nothing was sent yet: the client has no better cursor than the one it came with, or the sequence it began at. */
const cursorText = ({ seq, index }: FrameCursor): string =>
  index > 999_999 ? formatFrameId({ seq, index: 999_999 }) : formatFrameId({ seq, index });
