import type { NatsConnection } from '@nats-io/nats-core';
import { issuesOf, LoadReport } from '@flex/contracts';
import { LOAD_SUBJECT, reasonOf } from '@flex/events';
import type { Logger } from '@flex/events/service';
import { Admission, type AdmissionLimits, type Refusal } from '../core/admission.js';
import { refuse } from '../http/problems.js';

const COUNT_EVERY_MS = 2_000;

const sentences: Record<Refusal['reason'], string> = {
  pending: 'Too many tasks are waiting for the log',
  share: 'Too many tasks of this tenant are waiting for the log',
  behind: 'Too many tasks are waiting to be worked on',
  open: 'Too many runs of this tenant are open',
};

/** Lets tasks in as long as the system keeps up with them. */
export class Intake {
  readonly #admission: Admission;
  readonly #counts: boolean;
  readonly #countedAt = new Map<string, number>();

  constructor(
    nc: NatsConnection,
    limits: AdmissionLimits,
    private readonly openRunsOf: (tenant: string) => Promise<number>,
    private readonly logger: Logger,
  ) {
    this.#admission = new Admission(limits);
    this.#counts = limits.openRuns > 0;
    nc.subscribe(LOAD_SUBJECT, {
      callback: (error, message) => {
        const report = error ? undefined : reportOf(message.data);
        if (report) this.#admission.heard(report.owner, report.lag, performance.now());
      },
    });
  }

  /** Takes one task in with `store`. Throws `unavailable` with a time to come back when there is no room. */
  async take<T>(tenant: string, store: () => Promise<T>): Promise<T> {
    this.#count(tenant);
    const refusal = this.#admission.enter(tenant, performance.now());
    if (refusal) throw refuse.unavailable(sentences[refusal.reason], refusal.retryAfter);
    let stored = false;
    try {
      const result = await store();
      stored = true;
      return result;
    } finally {
      this.#admission.leave(tenant, stored);
    }
  }

  /** Counts now and then, besides: nobody waits for it. */
  #count(tenant: string): void {
    const now = performance.now();
    if (!this.#counts || now - (this.#countedAt.get(tenant) ?? -COUNT_EVERY_MS) < COUNT_EVERY_MS) return;
    this.#countedAt.set(tenant, now);
    this.openRunsOf(tenant).then(
      (open) => this.#admission.counted(tenant, open),
      (error: unknown) => this.logger.warn({ reason: reasonOf(error) }, 'open runs cannot be counted'),
    );
  }
}

function reportOf(data: Uint8Array): LoadReport | undefined {
  try {
    const report: unknown = JSON.parse(Buffer.from(data).toString('utf8'));
    return issuesOf(LoadReport, report).length === 0 ? (report as LoadReport) : undefined;
  } catch {
    return undefined;
  }
}
