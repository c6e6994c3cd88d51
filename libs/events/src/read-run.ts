import { partitionToken } from '@flex/contracts';
import type { EventLog } from './event-log.js';
import type { LogEvent } from './stored-message.js';
import { LOG_STREAM } from './names.js';
import { OrderedReader, type Delivered } from './ordered-reader.js';
import { runFilters } from './subject.js';
import { decodeBatch, type PoisonHandler } from './tail.js';

export interface RunReading {
  /** First sequence wanted. */
  fromSeq?: number;
  onPoison?: PoisonHandler;
  /** Gives what a newer release wrote as it is, unread: for who only keeps it. */
  keepNewer?: boolean;
  signal?: AbortSignal;
}

/** Nothing came for so long although something is due: look again what there is. */
const STALL_MS = 1_000;

/** The events of one run that lay in the log when reading began; ends there. */
export async function* readRun(log: EventLog, runId: string, options: RunReading): AsyncGenerator<LogEvent> {
  // A run that is purged while it is read never delivers what was counted: a new reader counts again.
  for (let from = options.fromSeq; ;) {
    const next = yield* readOnce(log, runId, { ...options, fromSeq: from });
    if (next === undefined) return;
    from = next;
  }
}

/** Returns the sequence to go on from when delivery stalled, undefined at the end. */
async function* readOnce(
  log: EventLog,
  runId: string,
  options: RunReading,
): AsyncGenerator<LogEvent, number | undefined> {
  const reader = new OrderedReader({
    nc: log.nc,
    stream: LOG_STREAM,
    filters: runFilters(partitionToken(log.partitionOf(runId)), runId),
    fromSeq: options.fromSeq,
    signal: options.signal,
  });
  try {
    let left = (await reader.attached)?.pending ?? 0;
    while (left > 0) {
      const delivered = await takeOrStall(reader);
      if (delivered === 'stalled') return reader.nextSeq;
      if (!delivered) return undefined;
      left -= delivered.length;
      // Purging while we read shortens what is to come: the server's own count says when it is over.
      if (delivered.at(-1)?.delivery.pending === 0) left = 0;
      yield* (await decodeBatch(
        delivered,
        log.claims,
        options.onPoison,
        undefined,
        options.keepNewer,
      )) as unknown as LogEvent[];
    }
    return undefined;
  } finally {
    reader.close();
  }
}

async function takeOrStall(reader: OrderedReader): Promise<Delivered[] | undefined | 'stalled'> {
  let timer: NodeJS.Timeout | undefined;
  const stalled = new Promise<'stalled'>((resolve) => {
    timer = setTimeout(() => resolve('stalled'), STALL_MS);
  });
  try {
    return await Promise.race([reader.take(512), stalled]);
  } finally {
    clearTimeout(timer);
  }
}
