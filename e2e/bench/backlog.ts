import { everySubject, type StoredEvent } from '@flex/contracts';
import { connectNats, openEventLog, type EventLog, type Tail } from '@flex/events';
import type { NatsConnection } from '@nats-io/nats-core';
import { natsAccess } from '../harness/nats-access.js';

const ENDS = ['run.completed', 'run.failed', 'run.cancelled'] as const;
const PATIENCE_MS = 300_000;

/** How many runs are open, as the log tells it. */
export class Backlog {
  readonly #begun = new Map<string, number>();
  most = 0;
  /** From submission to end, by the log's time. */
  longestMs = 0;

  private constructor(
    private readonly nc: NatsConnection,
    private readonly log: EventLog,
    private readonly tail: Tail,
  ) {
    void this.#follow();
  }

  static async of(natsUrl: string): Promise<Backlog> {
    const { servers, user, pass } = natsAccess(natsUrl);
    const nc = await connectNats({ url: servers.join(), name: 'bench-backlog', user, pass });
    const log = await openEventLog({ nc, source: 'gateway' });
    const filters = (['run.submitted', ...ENDS] as const).map((type) => everySubject(type));
    return new Backlog(nc, log, log.tail({ filters }));
  }

  get open(): number {
    return this.#begun.size;
  }

  /** Resolves when every run that was submitted until now has ended. */
  async gone(): Promise<void> {
    const upTo = await this.log.lastSeq(everySubject('run.submitted'));
    const deadline = performance.now() + PATIENCE_MS;
    while (this.#begun.size > 0 || this.tail.position < upTo) {
      if (performance.now() > deadline) throw new Error(`${this.#begun.size} runs are still open after five minutes`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  async close(): Promise<void> {
    this.tail.close();
    await this.nc.close();
  }

  async #follow(): Promise<void> {
    for await (const batch of this.tail) {
      for (const event of batch as StoredEvent[]) {
        if (event.type === 'run.submitted') this.#begun.set(event.runId, event.time);
        else {
          this.longestMs = Math.max(this.longestMs, event.time - (this.#begun.get(event.runId) ?? event.time));
          this.#begun.delete(event.runId);
        }
      }
      this.most = Math.max(this.most, this.#begun.size);
    }
  }
}
