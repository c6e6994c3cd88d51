import { isAfter, type FrameCursor, type StoredEvent } from '@flex/contracts';
import { project } from '../core/frame-projection.js';
import { initialProjection, type ProjectionState } from '../core/frames/projection-state.js';
import { initialSummary, isEnded, summarize, type RunSummary } from '../core/run-summary.js';
import { encodeFrame, type EncodedFrame } from '../core/sse-text.js';

/** Somebody who watches the run; told that there is more, and fetches it at its own speed. */
export interface HubWatcher {
  onMore(): void;
  /** The hub can serve nobody any more: its history could not be read. */
  onFailure(error: Error): void;
}

/** Encoded frames kept in memory for each run; older ones are read from history again. */
export const WINDOW_BYTES = 16 * 1024 * 1024;

/**
 * One watched run on this replica: its frames in order, encoded once, and its state at a glance. First takes the
 * stored history, while live events wait; from then on both are one sequence, in which an event's place decides and
 * a repeat is ignored.
 */
export class RunHub {
  readonly #projection: ProjectionState;
  readonly #waiting: StoredEvent[] = [];
  readonly #watchers = new Set<HubWatcher>();
  #frames: EncodedFrame[] = [];
  /** Place of `#frames[0]` among all frames of the run. */
  #first = 0;
  #bytes = 0;
  #live = false;
  #failure: Error | undefined;
  readonly summary: RunSummary;
  /** When the last watcher left, milliseconds of this process; undefined while somebody watches. */
  idleSince: number | undefined;

  constructor(readonly runId: string) {
    this.#projection = initialProjection(runId);
    this.summary = initialSummary(runId);
  }

  get live(): boolean {
    return this.#live;
  }
  get failure(): Error | undefined {
    return this.#failure;
  }
  /** Whether the log knows the run. */
  get known(): boolean {
    return this.summary.firstSeq > 0 && !this.summary.deleted;
  }
  /** Its final frame is there: nothing follows. */
  get ended(): boolean {
    return this.#projection.ended || isEnded(this.summary.status);
  }
  get watchers(): number {
    return this.#watchers.size;
  }
  get bytes(): number {
    return this.#bytes;
  }
  /** Place of the oldest frame that is still in memory, and of the next one to come. */
  get first(): number {
    return this.#first;
  }
  get end(): number {
    return this.#first + this.#frames.length;
  }
  frame(place: number): EncodedFrame | undefined {
    return this.#frames[place - this.#first];
  }

  /** Place of the first frame after a cursor. Undefined when it may have left memory already. */
  placeAfter(cursor: FrameCursor): number | undefined {
    let low = 0;
    let high = this.#frames.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (isAfter(this.#frames[middle]!, cursor)) high = middle;
      else low = middle + 1;
    }
    return low === 0 && this.#first > 0 ? undefined : this.#first + low;
  }

  /** Whether the run has ended and none of its frames that are wanted comes after the cursor. */
  isOver(cursor: FrameCursor, types: ReadonlySet<string> | undefined): boolean {
    const place = this.ended ? this.placeAfter(cursor) : undefined;
    if (place === undefined) return false;
    return !this.#frames.slice(place - this.#first).some(({ type }) => !types || types.has(type));
  }

  watch(watcher: HubWatcher): void {
    this.#watchers.add(watcher);
    this.idleSince = undefined;
  }

  unwatch(watcher: HubWatcher, now: number): void {
    this.#watchers.delete(watcher);
    if (this.#watchers.size === 0) this.idleSince = now;
  }

  /** Takes the stored history, then what came live meanwhile. The live feed must have been attached before. */
  async load(history: AsyncIterable<StoredEvent>): Promise<void> {
    try {
      for await (const event of history) this.#apply(event);
    } catch (error) {
      this.fail(error as Error);
      throw error;
    }
    this.begin();
  }

  /** Nothing is stored, or all of it has been taken: live events go straight through. */
  begin(): void {
    this.#live = true;
    for (const event of this.#waiting.splice(0)) this.#apply(event);
    this.flush();
  }

  fail(error: Error): void {
    this.#failure = error;
    for (const watcher of [...this.#watchers]) watcher.onFailure(error);
  }

  /** One event from the live feed. Watchers are told by {@link flush}, once for a batch. */
  push(event: StoredEvent): void {
    if (this.#live) this.#apply(event);
    else this.#waiting.push(event);
  }

  flush(): void {
    if (!this.#live) return;
    for (const watcher of [...this.#watchers]) watcher.onMore();
  }

  #apply(event: StoredEvent): void {
    if (event.seq <= this.summary.lastSeq) return;
    const frames = project(this.#projection, event);
    for (let index = 0; index < frames.length; index++) {
      const encoded = encodeFrame(frames[index]!, event.seq, index);
      this.#frames.push(encoded);
      this.#bytes += encoded.bytes.length;
    }
    summarize(this.summary, event);
    if (this.#bytes > WINDOW_BYTES) this.#trim();
  }

  /** Lets half of the window go at once, so that trimming costs little per frame. */
  #trim(): void {
    let count = 0;
    while (this.#bytes > WINDOW_BYTES / 2 && count < this.#frames.length - 1)
      this.#bytes -= this.#frames[count++]!.bytes.length;
    this.#frames = this.#frames.slice(count);
    this.#first += count;
  }
}
