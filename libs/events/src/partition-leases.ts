import type { NatsConnection } from '@nats-io/nats-core';
import { KvMirror } from './kv-mirror.js';
import { kvCreate, kvDelete, kvPut } from './kv-write.js';
import { assignPartitions } from './lease-assignment.js';
import { Bucket } from './names.js';

export interface PartitionLeasesOptions {
  nc: NatsConnection;
  /** This replica, unique among all, also after a restart. */
  owner: string;
  partitions: number;
  /** A replica that gave no sign of life for this long has lost its partitions. Whole seconds, at least 2. */
  ttlMs?: number;
  onAcquired: (partition: number) => void;
  /** `handover`: another replica waits for it, give it up in order; `lost`: it is gone already. */
  onReleased: (partition: number, why: 'handover' | 'lost') => void | Promise<void>;
}

interface Lease {
  owner: string;
}

const DEFAULT_TTL_MS = 5_000;
const MEMBER = 'member.';
const PARTITION = 'partition.';

/**
 * Which replica works which partition: fair shares among the living, moved within seconds when one comes or goes. A
 * lease is for speed only: two replicas may believe that they hold one, and the claim's fence decides who appends.
 */
export class PartitionLeases {
  readonly #options: PartitionLeasesOptions;
  readonly #ttlMs: number;
  readonly #mirror: KvMirror<Lease>;
  /** Partitions held by this replica, with the revision of the lease. */
  readonly #held = new Map<number, number>();
  #timer: NodeJS.Timeout | undefined;
  #working: Promise<void> | undefined;
  #again = false;
  #stopped = false;

  constructor(options: PartitionLeasesOptions) {
    this.#options = options;
    this.#ttlMs = Math.max(2_000, options.ttlMs ?? DEFAULT_TTL_MS);
    this.#mirror = new KvMirror<Lease>({
      nc: options.nc,
      bucket: Bucket.leases,
      onChange: () => this.#reconcile(),
    });
    void this.#start();
  }

  /** Partitions that this replica works now. */
  get held(): number[] {
    return [...this.#held.keys()].sort((a, b) => a - b);
  }

  /** Replicas alive as far as known. */
  get members(): string[] {
    const members: string[] = [];
    for (const [key, { owner }] of this.#mirror.entries()) if (key.startsWith(MEMBER)) members.push(owner);
    return members;
  }

  /** Gives everything back, so that others take over at once. */
  async stop(): Promise<void> {
    if (this.#stopped) return;
    this.#stopped = true;
    clearInterval(this.#timer);
    await this.#working;
    this.#mirror.close();
    const { nc, owner } = this.#options;
    await Promise.allSettled([...this.#held.keys()].map((partition) => this.#release(partition)));
    if (!nc.isClosed()) await kvDelete(nc, Bucket.leases, memberKey(owner)).catch(() => undefined);
  }

  async #start(): Promise<void> {
    await this.#mirror.ready;
    if (this.#stopped) return;
    await this.#renew();
    this.#timer = setInterval(() => void this.#renew(), this.#ttlMs / 4);
    this.#reconcile();
  }

  /** A sign of life for oneself and for each lease. A lease that somebody else has by now is lost. */
  async #renew(): Promise<void> {
    const { nc, owner } = this.#options;
    const alive = kvPut(nc, Bucket.leases, memberKey(owner), { owner }, { ttlMs: this.#ttlMs });
    const renewals = [...this.#held].map(async ([partition, expected]) => {
      const revision = await kvPut(nc, Bucket.leases, leaseKey(partition), { owner }, { expected, ttlMs: this.#ttlMs });
      if (this.#held.get(partition) !== expected) return;
      if (revision === undefined) this.#lose(partition);
      else this.#held.set(partition, revision);
    });
    // The server may be away: the leases then expire, or are renewed when it is back, which the expected revision tells.
    await Promise.allSettled([alive, ...renewals]);
  }

  /** One reconciliation at a time; changes that come meanwhile cause one more. */
  #reconcile(): void {
    if (this.#stopped) return;
    if (this.#working) {
      this.#again = true;
      return;
    }
    this.#working = this.#moveToTarget()
      .catch(() => undefined)
      .finally(() => {
        this.#working = undefined;
        if (!this.#again) return;
        this.#again = false;
        this.#reconcile();
      });
  }

  async #moveToTarget(): Promise<void> {
    const { owner, partitions } = this.#options;
    const members = this.members;
    if (!members.includes(owner)) return;
    const target = new Set(assignPartitions(partitions, members).get(owner));
    for (const partition of this.held) {
      const holder = this.#mirror.get(leaseKey(partition))?.owner;
      if (holder !== undefined && holder !== owner && this.#mirror.revisionOf(leaseKey(partition)) > (this.#held.get(partition) ?? 0)) {
        this.#lose(partition);
      }
    }
    const surplus = this.held.filter((partition) => !target.has(partition));
    const wanted = [...target].filter((partition) => !this.#held.has(partition));
    await Promise.all([
      ...surplus.map((partition) => this.#release(partition)),
      ...wanted.map((partition) => this.#acquire(partition)),
    ]);
  }

  /** Only a free partition is taken: its holder gives it back when it sees the new member, or it expires. */
  async #acquire(partition: number): Promise<void> {
    const { nc, owner, onAcquired } = this.#options;
    const holder = this.#mirror.get(leaseKey(partition))?.owner;
    if (holder !== undefined) return;
    const revision = await kvCreate(nc, Bucket.leases, leaseKey(partition), { owner }, { ttlMs: this.#ttlMs });
    if (revision === undefined || this.#held.has(partition)) return;
    this.#held.set(partition, revision);
    onAcquired(partition);
  }

  async #release(partition: number): Promise<void> {
    const { nc, onReleased } = this.#options;
    const revision = this.#held.get(partition);
    if (revision === undefined) return;
    this.#held.delete(partition);
    await onReleased(partition, 'handover');
    // Without expecting a revision: a renewal may have been under way. The next holder creates it again anyway.
    if (!nc.isClosed()) await kvDelete(nc, Bucket.leases, leaseKey(partition));
  }

  #lose(partition: number): void {
    if (this.#held.delete(partition)) void this.#options.onReleased(partition, 'lost');
  }
}

const memberKey = (owner: string): string => MEMBER + owner.replaceAll(/[^-_=.a-zA-Z0-9]/g, '_');
const leaseKey = (partition: number): string => `${PARTITION}${partition}`;
