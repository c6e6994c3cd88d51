import { setTimeout as delay } from 'node:timers/promises';
import type { NewEvent } from '@flex/contracts';
import { isConnected, LogUnavailable, type EventLog, type PubAck } from '@flex/events';

/** How long a client waits for the log before it is told to come back. */
const PATIENCE_MS = 10_000;

/**
 * The log for callers who have a client waiting: services keep trying for a minute, a client gets its answer sooner.
 * What ran out of time may still arrive; ids make a repeat of it harmless.
 */
export class LogDesk {
  constructor(private readonly log: EventLog) {}

  /** Rejects with LogUnavailable. */
  async append(event: NewEvent): Promise<PubAck> {
    return this.soon(() => this.log.append(event));
  }

  async soon<T>(ask: () => Promise<T>): Promise<T> {
    assertConnected(this.log);
    const end = new AbortController();
    const answer = ask();
    try {
      return await Promise.race([answer, outOfTime(end.signal)]);
    } finally {
      end.abort();
      // Nobody waits for a late refusal any more.
      answer.catch(() => undefined);
    }
  }
}

async function outOfTime(signal: AbortSignal): Promise<never> {
  await delay(PATIENCE_MS, undefined, { signal }).catch(() => undefined);
  throw new LogUnavailable('the log did not answer in time');
}

export function assertConnected(log: EventLog): void {
  if (!isConnected(log.nc)) throw new LogUnavailable('the connection to NATS is lost');
}
