import type { NatsConnection } from '@nats-io/nats-core';
import { capabilityOfKey, type OutcomeReport } from '@flex/contracts';
import { OUTCOMES_SUBJECT } from '@flex/events';

const EVERY_MS = 2_000;

/**
 * Tells the registry how calls of capabilities ended: counted in memory, one small message every two seconds and none
 * when nothing was called. So health costs no write to the log and no consumer of reports, and follows every agent,
 * whatever it is written in. What a crash takes with it is missed by nobody: health is a hint for the next plan.
 */
export class OutcomeReports {
  #counts = new Map<string, { succeeded: number; failed: number }>();
  readonly #timer: NodeJS.Timeout;

  constructor(
    private readonly nc: NatsConnection,
    everyMs = EVERY_MS,
  ) {
    this.#timer = setInterval(() => this.#tell(), everyMs).unref();
  }

  /** One call of the capability with this bus key has ended. */
  add(key: string, succeeded: boolean): void {
    let counts = this.#counts.get(key);
    if (!counts) this.#counts.set(key, (counts = { succeeded: 0, failed: 0 }));
    if (succeeded) counts.succeeded++;
    else counts.failed++;
  }

  /** Tells what is left, and ends. */
  close(): void {
    clearInterval(this.#timer);
    this.#tell();
  }

  #tell(): void {
    if (this.#counts.size === 0 || this.nc.isClosed()) return;
    const report: OutcomeReport = {
      outcomes: [...this.#counts].map(([key, counts]) => ({ ...capabilityOfKey(key), ...counts })),
    };
    this.#counts = new Map();
    this.nc.publish(OUTCOMES_SUBJECT, JSON.stringify(report));
  }
}
