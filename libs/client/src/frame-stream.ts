import type { Frame, FrameType, RunView } from '@flex/contracts';
import { FlexProblem, FlexUnreachable } from './problem-error.js';
import { SseParser } from './sse-parser.js';

export interface StreamOptions {
  /** Only these types; the rest of the stream stays exact. */
  types?: FrameType[];
  signal?: AbortSignal;
  /** How often in a row it may fail to connect before giving up; for ever by default. */
  maxRetries?: number;
  onReconnect?: (info: { attempt: number; cursor: string | undefined; reason: string; error?: Error }) => void;
  /** State of the run when the stream began, if a snapshot was asked for. */
  onSnapshot?: (run: RunView) => void;
}

/** Opens the stream after a cursor (from the beginning without one). */
export type Connect = (cursor: string | undefined, signal: AbortSignal) => Promise<Response>;

const FIRST_RETRY_MS = 250;
const LONGEST_RETRY_MS = 10_000;

/**
 * The frames of a stream, in order, each once: when the connection breaks it is opened again after the last frame that
 * was given out. Ends after the final frame (`ends`), on the signal, or when the server has nothing more to say.
 */
export async function* frameStream(
  connect: Connect,
  options: StreamOptions & { cursor?: string; ends: boolean },
): AsyncGenerator<Frame> {
  let { cursor } = options;
  let failures = 0;
  const closing = new AbortController();
  const abort = (): void => closing.abort(options.signal?.reason);
  options.signal?.addEventListener('abort', abort, { once: true });
  if (options.signal?.aborted) abort();
  try {
    while (!closing.signal.aborted) {
      let reason = 'the stream ended early';
      let failure: Error | undefined;
      try {
        const response = await connect(cursor, closing.signal);
        if (response.status === 204 || !response.body) return;
        for await (const event of read(response.body, closing.signal)) {
          if (event.event === 'snapshot') options.onSnapshot?.(JSON.parse(event.data) as RunView);
          if (event.event === 'resync') reason = 'too slow, starting again after the last frame';
          if (event.id === undefined || event.id === cursor) continue;
          cursor = event.id;
          failures = 0;
          const frame = JSON.parse(event.data) as Frame;
          yield frame;
          if (options.ends && frame.type === 'complete') return;
        }
      } catch (error) {
        if (closing.signal.aborted) return;
        if (error instanceof FlexProblem && !passes(error)) throw error;
        reason = (error as Error).message;
        failure = isOurs(error) ? error : new FlexUnreachable(reason, { cause: error });
        if (failures >= (options.maxRetries ?? Number.POSITIVE_INFINITY)) throw failure;
      }
      failures += 1;
      options.onReconnect?.({ attempt: failures, cursor, reason, error: failure });
      // Whoever names a time to come back knows better than we do.
      const asked = failure instanceof FlexProblem ? (failure.retryAfter ?? 0) * 1_000 : 0;
      const backoff = Math.min(FIRST_RETRY_MS * 2 ** (failures - 1), LONGEST_RETRY_MS);
      await pause(Math.max(asked, backoff), closing.signal);
    }
  } finally {
    options.signal?.removeEventListener('abort', abort);
    // Whoever leaves the loop early must not leave an open connection behind.
    closing.abort();
  }
}

const isOurs = (error: unknown): error is Error => error instanceof FlexProblem || error instanceof FlexUnreachable;

/** Too many requests, a server that is starting, our own first try still under way: worth another one. */
const passes = ({ status, code }: FlexProblem): boolean =>
  status === 429 || status === 502 || status === 503 || status === 504 || code === 'idempotency_busy';

async function* read(body: ReadableStream<Uint8Array>, signal: AbortSignal) {
  const parser = new SseParser();
  const decoder = new TextDecoder();
  const reader = body.getReader();
  const cancel = (): void => void reader.cancel().catch(() => undefined);
  signal.addEventListener('abort', cancel, { once: true });
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      yield* parser.feed(decoder.decode(value, { stream: true }));
    }
  } finally {
    signal.removeEventListener('abort', cancel);
    cancel();
  }
}

const pause = (ms: number, signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    const timer = setTimeout(done, ms);
    function done(): void {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    }
    signal.addEventListener('abort', done, { once: true });
    if (signal.aborted) done();
  });
