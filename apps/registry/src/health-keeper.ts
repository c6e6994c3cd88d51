import type { Subscription } from '@nats-io/nats-core';
import { DEFAULT_TENANT, issuesOf, OutcomeReport, type RecentCalls, type RegisteredCapability } from '@flex/contracts';
import { capabilityEntryKey, OUTCOMES_SUBJECT, reasonOf } from '@flex/events';
import { nextHealth, withCalls } from './core/health.js';
import type { Parts } from './registrations.js';

/** How often those who are not well are looked at, as time alone makes them better. */
const RECOVERY_MS = 5_000;

/**
 * Keeps the health of capabilities: what orchestrators tell about calls is added up in memory, and written to the live
 * registry only when health changes materially. Replicas share the reports; each adds its own to what is written.
 */
export class HealthKeeper {
  readonly #subscription: Subscription;
  readonly #timer: NodeJS.Timeout;
  /** Calls by entry of the live bucket that are not part of its written health yet. */
  readonly #pending = new Map<string, RecentCalls>();
  /** Entries that are written down as not quite well. */
  readonly #ill = new Set<string>();
  readonly #off: () => void;
  #work: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly parts: Parts,
    recoveryMs = RECOVERY_MS,
  ) {
    for (const [key, { value }] of parts.live.entries()) this.#note(key, value);
    this.#off = parts.live.mirror.onChange((changes) => {
      for (const change of changes)
        if (change.kind === 'capability') this.#note(capabilityEntryKey(change.tenant, change.name), change.value);
    });
    this.#subscription = parts.log.nc.subscribe(OUTCOMES_SUBJECT, {
      queue: 'registry',
      callback: (error, message) => {
        if (!error) this.#hear(message.data);
      },
    });
    this.#timer = setInterval(() => this.#judge([...this.#ill]), recoveryMs).unref();
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    this.#off();
    this.#subscription.unsubscribe();
    await this.#work;
  }

  #note(key: string, value: unknown): void {
    const capability = value as RegisteredCapability | undefined;
    if (!capability) this.#pending.delete(key);
    if ((capability?.health ?? 1) < 1) this.#ill.add(key);
    else this.#ill.delete(key);
  }

  #hear(data: Uint8Array): void {
    const report = parse(data);
    if (!report) return this.parts.logger.warn({ bytes: data.length }, 'a report about calls cannot be read');
    const now = this.parts.clock.now();
    const keys = report.outcomes.map(({ tenant, capabilityId, ...counts }) => {
      const key = capabilityEntryKey(tenant, capabilityId);
      if (this.parts.live.get(key)?.value) this.#pending.set(key, withCalls(this.#pending.get(key), counts, now));
      return key;
    });
    this.#judge(keys);
  }

  /** One after the other: a capability that is judged twice at once would be written twice. */
  #judge(keys: string[]): void {
    const judged = keys.filter((key) => {
      const known = this.parts.live.get(key)?.value;
      return known && this.#next(known as RegisteredCapability, this.#pending.get(key));
    });
    if (judged.length === 0) return;
    this.#work = this.#work
      .then(() => Promise.all(judged.map((key) => this.#write(key))))
      .catch((error: unknown) => this.parts.logger.warn({ reason: reasonOf(error) }, 'health cannot be written now'));
  }

  /** Health with what was heard, which may have lain here for a while and counts less by now. */
  #next(capability: RegisteredCapability, heard: RecentCalls | undefined): ReturnType<typeof nextHealth> {
    const now = this.parts.clock.now();
    return nextHealth(capability, heard && withCalls(heard, NO_CALLS, now), now);
  }

  async #write(key: string): Promise<void> {
    const { live, logger, store } = this.parts;
    // Taken out first: what is heard while this is being written belongs to the next time.
    const heard = this.#pending.get(key);
    this.#pending.delete(key);
    let done = false;
    try {
      const { value, revision, written } = await live.change<RegisteredCapability>(key, (current) => {
        const next = current && this.#next(current, heard);
        return next && { ...current, ...next };
      });
      done = written;
      if (!written || !value) return;
      const { capabilityId, tenant = DEFAULT_TENANT, health, calls } = value;
      logger.info({ capabilityId, tenant, health, calls }, 'the health of a capability changed');
      await store
        .saveCapabilities([{ value, bucket: await live.bucketId(), revision }])
        .catch((error: unknown) => logger.warn({ reason: reasonOf(error) }, 'the store cannot follow now'));
    } finally {
      if (!done && heard)
        this.#pending.set(key, withCalls(heard, this.#pending.get(key) ?? NO_CALLS, this.parts.clock.now()));
    }
  }
}

const NO_CALLS = { succeeded: 0, failed: 0 };

function parse(data: Uint8Array): OutcomeReport | undefined {
  try {
    const report: unknown = JSON.parse(Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('utf8'));
    return issuesOf(OutcomeReport, report).length === 0 ? (report as OutcomeReport) : undefined;
  } catch {
    return undefined;
  }
}
