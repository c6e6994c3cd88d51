import { formatFrameId, isAfter, type FrameCursor } from '@flex/contracts';
import { project } from '../core/frame-projection.js';
import { initialProjection } from '../core/frames/projection-state.js';
import { controlFrame, encodeFrame, type EncodedFrame } from '../core/sse-text.js';
import type { FrameOutput } from './frame-output.js';
import type { RunHistory } from './run-history.js';
import type { HubWatcher, RunHub } from './run-hub.js';

export const START: FrameCursor = { seq: 0, index: 0 };
/** Bytes written at once; also what a slow client can hold up. */
const CHUNK_BYTES = 256 * 1024;

export interface RunStreamOptions {
  /** Everything after this frame is sent, nothing before. */
  cursor: FrameCursor;
  /** Types wanted; all when undefined. The cursor moves over the others too. */
  types?: ReadonlySet<string>;
}

/**
 * One client on one run. Pulls from the hub's frames at the client's own speed. What has left the hub's memory is read
 * from history for a client that comes late, or was overtaken by large frames; one that fell behind because it is slow is
 * told to come back (`resync` with its cursor), so that it never misses a frame silently.
 */
export class RunStream implements HubWatcher {
  /** The last frame that was sent or filtered out. */
  #cursor: FrameCursor;
  /** Place of the next frame in the hub; undefined while catching up from history. */
  #place: number | undefined;

  constructor(
    private readonly hub: RunHub,
    private readonly history: RunHistory,
    private readonly output: FrameOutput,
    private readonly options: RunStreamOptions,
  ) {
    this.#cursor = options.cursor;
  }

  /** Starts sending. The output must have begun. */
  start(): void {
    if (this.output.closed) return;
    this.hub.watch(this);
    this.output.whenRoom(() => this.#pump());
    this.#place = this.hub.placeAfter(this.#cursor);
    if (this.#place === undefined) void this.#catchUp();
    else this.#pump();
  }

  stop(): void {
    this.hub.unwatch(this, performance.now());
  }

  onMore(): void {
    if (!this.output.blocked) this.#pump();
  }

  onFailure(error: Error): void {
    this.#resync(error.message);
  }

  #pump(): void {
    while (this.#place !== undefined && !this.output.blocked && !this.output.closed) {
      if (this.#place < this.hub.first) return this.#fallBack();
      const chunk = this.#nextChunk(this.#place);
      if (chunk) this.output.write(chunk);
      if (this.#place >= this.hub.end) {
        if (this.hub.ended) this.output.end();
        return;
      }
    }
  }

  /** What comes next has left the hub's memory. */
  #fallBack(): void {
    if (this.output.isSlow) return this.#resync('too slow');
    this.#place = undefined;
    void this.#catchUp();
  }

  #nextChunk(from: number): Uint8Array | undefined {
    const parts: Uint8Array[] = [];
    let bytes = 0;
    let place = from;
    for (; place < this.hub.end && bytes < CHUNK_BYTES; place++) {
      const frame = this.hub.frame(place)!;
      this.#cursor = frame;
      if (!this.#wanted(frame)) continue;
      parts.push(frame.bytes);
      bytes += frame.bytes.length;
    }
    this.#place = place;
    return parts.length > 1 ? Buffer.concat(parts, bytes) : parts[0];
  }

  #wanted(frame: EncodedFrame): boolean {
    return !this.options.types || this.options.types.has(frame.type);
  }

  /** Reads what has left memory, at the client's speed, until the hub can go on. */
  async #catchUp(): Promise<void> {
    const projection = initialProjection(this.hub.runId);
    try {
      for await (const event of this.history.read(this.hub.runId)) {
        for (const [index, frame] of project(projection, event).entries()) {
          const encoded = encodeFrame(frame, event.seq, index);
          if (!isAfter(encoded, this.#cursor)) continue;
          this.#cursor = encoded;
          if (this.#wanted(encoded)) this.output.write(encoded.bytes);
          if (this.output.blocked) await new Promise<void>((resolve) => this.output.whenRoom(resolve));
          if (this.output.closed) return;
        }
        if (this.hub.placeAfter(this.#cursor) !== undefined) break;
      }
    } catch {
      return this.#resync('history is not available now');
    }
    this.output.whenRoom(() => this.#pump());
    this.#place = this.hub.placeAfter(this.#cursor);
    if (this.#place === undefined) this.#fallBack();
    else this.#pump();
  }

  #resync(reason: string): void {
    const cursor = this.#cursor.seq === 0 ? undefined : formatFrameId(this.#cursor);
    this.output.write(controlFrame('resync', { runId: this.hub.runId, cursor, reason }));
    this.output.end();
  }
}
