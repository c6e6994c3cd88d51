import { setTimeout as delay } from 'node:timers/promises';
import { DEFAULT_TENANT, type RegisteredCapability } from '@flex/contracts';
import {
  announce,
  Bucket,
  BucketWatch,
  capabilityEntryKey,
  isConnected,
  onDisconnect,
  onReconnect,
  reasonOf,
  type BucketEntry,
} from '@flex/events';
import { judgePresence, Presence, presenceKey, type Departure } from './core/presence.js';
import type { Parts } from './registrations.js';

/** After a (re)connect instances get this long to show themselves before anybody is declared lost. */
const SETTLE_MS = 3_000;

/**
 * Turns heartbeats into the status of capabilities. The server itself says when a heartbeat has run out, so a loss is
 * noticed at once, by every replica of the registry; the revision that each of them decides on lets one of them win.
 */
export class PresenceWatch {
  readonly #presence = new Presence();
  readonly #watch: BucketWatch;
  /** Capabilities to look at once things have settled. */
  readonly #deferred = new Map<string, Departure>();
  readonly #off: (() => void)[];
  /** Set while nobody may be declared lost. */
  #settling: Promise<void> | undefined;
  /** Rises with each break of the connection: what settles has to begin again. */
  #breaks = 0;
  #work: Promise<unknown> = Promise.resolve();
  #closed = false;

  constructor(
    private readonly parts: Parts,
    private readonly settleMs = SETTLE_MS,
  ) {
    const { nc } = parts.log;
    this.#off = [onDisconnect(nc, () => this.#settle()), onReconnect(nc, () => this.#settle())];
    this.#watch = new BucketWatch({
      nc,
      bucket: Bucket.heartbeats,
      headersOnly: true,
      onEntries: (entries) => this.#see(entries),
    });
    this.#settle();
  }

  get ready(): Promise<void> {
    return this.#watch.ready;
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const off of this.#off) off();
    this.#watch.close();
    await this.#work;
  }

  #see(entries: BucketEntry[]): void {
    for (const { key, gone } of entries) {
      const seen = this.#presence.apply(key, gone !== undefined);
      if (!seen) continue;
      if (gone && seen.instances === 0) this.#judgeSoon(seen.capability, gone === 'deleted' ? 'goodbye' : 'lost');
      else if (!gone && this.#statusOf(seen.capability) === 'inactive') this.#judgeSoon(seen.capability, 'lost');
    }
  }

  #judgeSoon(capability: string, departure: Departure): void {
    if (this.#mustWait(capability)) this.#deferred.set(capability, departure);
    else this.#enqueue(capability, departure);
  }

  /** Only a loss has to wait until things have settled; who is there is there. */
  #mustWait(capability: string): boolean {
    return this.#settling !== undefined && this.#presence.count(capability) === 0;
  }

  #enqueue(capability: string, departure: Departure): void {
    this.#work = this.#work.then(() => this.#judge(capability, departure));
  }

  /** Nobody is declared lost until those who lost the connection too had time to come back. */
  #settle(): void {
    this.#breaks += 1;
    this.#settling ??= (async () => {
      await this.#watch.ready;
      await this.parts.live.mirror.ready;
      for (let seen = 0; seen !== this.#breaks || !isConnected(this.parts.log.nc);) {
        if (this.#closed) return;
        seen = this.#breaks;
        await delay(this.settleMs, undefined, { ref: false });
      }
      this.#settling = undefined;
      const deferred = new Map(this.#deferred);
      this.#deferred.clear();
      for (const key of this.#withHeartbeats()) {
        if (!deferred.has(key)) deferred.set(key, 'lost');
      }
      for (const [key, departure] of deferred) this.#enqueue(key, departure);
    })();
  }

  *#withHeartbeats(): Generator<string> {
    for (const { value } of this.parts.live.entries().values()) {
      if (!value || !('capabilityId' in value) || !value.heartbeat) continue;
      yield presenceKey(value.tenant ?? DEFAULT_TENANT, value.capabilityId);
    }
  }

  #statusOf(capability: string): string | undefined {
    const known = this.parts.live.get(entryKey(capability))?.value;
    return known && 'status' in known ? known.status : undefined;
  }

  async #judge(capability: string, departure: Departure): Promise<void> {
    for (let attempt = 0; !this.#closed; attempt += 1) {
      if (this.#mustWait(capability)) return void this.#deferred.set(capability, departure);
      try {
        return await this.#decide(capability, departure);
      } catch (error) {
        if (attempt === 0)
          this.parts.logger.warn({ capability, reason: reasonOf(error) }, 'cannot record a change of presence now');
        await delay(500);
      }
    }
  }

  async #decide(capability: string, departure: Departure): Promise<void> {
    const key = entryKey(capability);
    let said: string | undefined;
    const { value, revision, written } = await this.parts.live.change<RegisteredCapability>(
      key,
      async (current, at) => {
        if (!current) return undefined;
        const verdict = judgePresence(current, this.#presence.count(capability), departure, this.parts.clock.now());
        if (verdict.change === 'none') return undefined;
        said = await this.#say(verdict.change === 'revive' ? 'revived' : departure, current, at, verdict);
        return verdict.next;
      },
    );
    if (!written || !value) return;
    this.parts.logger.info(
      { capabilityId: value.capabilityId, tenant: value.tenant, status: value.status, reason: value.inactiveReason },
      said ?? 'presence changed',
    );
    await this.parts.store
      .saveCapabilities([{ value, bucket: await this.parts.live.bucketId(), revision }])
      .catch((error: unknown) => this.parts.logger.warn({ reason: reasonOf(error) }, 'the store cannot follow now'));
  }

  /** Announced before it becomes the live state: a loss may be said twice, never swallowed. */
  async #say(
    what: Departure | 'revived',
    current: RegisteredCapability,
    revision: number,
    verdict: { next: RegisteredCapability; reason?: string },
  ): Promise<string> {
    const { capabilityId, tenant = DEFAULT_TENANT } = current;
    const about = { tenant, name: capabilityId };
    const suffix = `${tenant}.${capabilityId}.${revision}`;
    const { log } = this.parts;
    if (what === 'revived') {
      const { status: _status, inactiveReason: _reason, health: _health, calls: _calls, ...capability } = verdict.next;
      await announce(log, {
        ...about,
        type: 'capability.registered',
        id: `capability.registered.${suffix}`,
        data: { capability },
      });
      return 'a capability is back';
    }
    if (what === 'lost') {
      const data = { capabilityId, tenant, reason: verdict.reason ?? 'no heartbeat' };
      await announce(log, { ...about, type: 'capability.lost', id: `capability.lost.${suffix}`, data });
      return 'a capability was lost';
    }
    await announce(log, {
      ...about,
      type: 'capability.deregistered',
      id: `capability.deregistered.${suffix}`,
      data: { capabilityId, tenant },
    });
    return 'a capability said goodbye';
  }
}

/** `<tenant>.<capabilityId>` as the key of the live bucket. */
const entryKey = (capability: string): string => {
  const end = capability.indexOf('.');
  return capabilityEntryKey(capability.slice(0, end), capability.slice(end + 1));
};
