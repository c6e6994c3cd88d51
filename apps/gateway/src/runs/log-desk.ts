import type { NewEvent } from '@flex/contracts';
import { isConnected, LogUnavailable, type EventLog, type PubAck, type ThreadClaim } from '@flex/events';

/** How long a client waits for the log before it is told to come back. */
export const PATIENCE_MS = 10_000;

/**
 * The log for callers who have a client waiting: services keep trying for a minute, a client gets its answer sooner.
 * What ran out of time may still arrive; ids make a repeat of it harmless.
 */
export class LogDesk {
  constructor(private readonly log: EventLog) {}

  /** Rejects with LogUnavailable. */
  async append(event: NewEvent, under: { thread?: ThreadClaim } = {}): Promise<PubAck> {
    return this.soon(() => this.log.append(event, under));
  }

  soon<T>(ask: () => Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      assertConnected(this.log);
      const patience = setTimeout(() => reject(new LogUnavailable('the log did not answer in time')), PATIENCE_MS);
      ask()
        .finally(() => clearTimeout(patience))
        .then(resolve, reject);
    });
  }
}

export function assertConnected(log: EventLog): void {
  if (!isConnected(log.nc)) throw new LogUnavailable('the connection to NATS is lost');
}
