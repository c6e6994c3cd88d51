import type { ServerResponse } from 'node:http';
import { greeting, HEARTBEAT } from '../core/sse-text.js';

/** How long a browser waits before it connects again. */
const RETRY_MS = 1_000;
/** A client that needs longer than this for what it was sent is slow. */
const SLOW_MS = 5_000;
/** A client that takes nothing for so long is gone, even if its socket does not say so. */
const STALLED_MS = 60_000;

/**
 * One SSE response. Written directly: frameworks invent ids and leak generators. Holds no queue of its own: when the
 * socket is full the caller stops and is called back, so that a slow client costs one chunk of memory.
 */
export class FrameOutput {
  #blockedSince: number | undefined;
  #isSlow = false;
  #closed = false;
  #begun = false;
  #onRoom: () => void = () => undefined;

  constructor(
    private readonly response: ServerResponse,
    private readonly onClose: () => void,
  ) {
    response.on('close', () => this.#close());
    response.on('error', () => this.#close());
    response.on('drain', () => {
      this.#isSlow = performance.now() - (this.#blockedSince ?? Infinity) > SLOW_MS;
      this.#blockedSince = undefined;
      if (!this.#closed) this.#onRoom();
    });
  }

  /** Headers and greeting; from here on the answer is a stream. */
  begin(headers: Record<string, string> = {}): void {
    this.#begun = true;
    this.response.writeHead(200, {
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-cache, no-transform',
      connection: 'keep-alive',
      'x-accel-buffering': 'no',
      ...headers,
    });
    this.response.socket?.setNoDelay(true);
    this.write(greeting(RETRY_MS));
  }

  get closed(): boolean {
    return this.#closed;
  }
  get blocked(): boolean {
    return this.#blockedSince !== undefined;
  }

  /** Whether it took long to take what was sent last. Falling behind a run of large frames alone is not being slow. */
  get isSlow(): boolean {
    return this.#isSlow;
  }

  whenRoom(callback: () => void): void {
    this.#onRoom = callback;
  }

  write(bytes: Uint8Array): void {
    if (this.#closed) return;
    if (!this.response.write(bytes)) this.#blockedSince ??= performance.now();
  }

  /** Nothing before the headers: until then the answer may still become a problem. */
  heartbeat(now: number): void {
    if (this.#closed || !this.#begun) return;
    if (this.#blockedSince === undefined) this.write(HEARTBEAT);
    else if (now - this.#blockedSince > STALLED_MS) this.response.destroy();
  }

  /** Gives the response back unsent: somebody else answers. */
  release(): void {
    this.#close();
  }

  end(): void {
    if (this.#closed) return;
    this.response.end();
    this.#close();
  }

  #close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.onClose();
    // Whoever waits for room must learn that there will be none.
    this.#onRoom();
  }
}
