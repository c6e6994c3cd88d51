import { partitionToken } from '@flex/contracts';
import type { EventLog } from './event-log.js';
import type { LogEvent } from './stored-message.js';
import { LOG_STREAM } from './names.js';
import { OrderedReader } from './ordered-reader.js';
import { runFilters } from './subject.js';
import { decodeBatch, type PoisonHandler } from './tail.js';

export interface RunReading {
  /** First sequence wanted. */
  fromSeq?: number;
  onPoison?: PoisonHandler;
  signal?: AbortSignal;
}

/** The events of one run that lay in the log when reading began; ends there. */
export async function* readRun(log: EventLog, runId: string, options: RunReading): AsyncGenerator<LogEvent> {
  let pending: number | undefined;
  let known!: () => void;
  const attached = new Promise<void>((resolve) => (known = resolve));
  const reader = new OrderedReader({
    nc: log.nc,
    stream: LOG_STREAM,
    filters: runFilters(partitionToken(log.partitionOf(runId)), runId),
    fromSeq: options.fromSeq,
    signal: options.signal,
    onAttached: (info) => {
      pending ??= info.pending;
      known();
    },
  });
  options.signal?.addEventListener('abort', known, { once: true });
  try {
    await attached;
    let left = pending ?? 0;
    while (left > 0) {
      const delivered = await reader.take(512);
      if (!delivered) return;
      left -= delivered.length;
      // Purging while we read shortens what is to come: the server's own count says when it is over.
      if (delivered.at(-1)?.delivery.pending === 0) left = 0;
      yield* (await decodeBatch(delivered, log.claims, options.onPoison)) as unknown as LogEvent[];
    }
  } finally {
    options.signal?.removeEventListener('abort', known);
    reader.close();
  }
}
