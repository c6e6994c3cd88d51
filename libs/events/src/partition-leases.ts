import { nuid, type NatsConnection } from '@nats-io/nats-core';
import { BucketWriter, StaleRevision } from './bucket-writer.js';
import { KvMirror } from './kv-mirror.js';
import { assignPartitions } from './lease-assignment.js';
import { Bucket } from './names.js';

export interface PartitionLeasesOptions {
  nc: NatsConnection;
  /** This replica, unique among those that live. Who comes back under the same name takes up what it held at once. */
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
  /** Which life of that replica; absent in what releases before wrote. */
  life?: string;
}

const DEFAULT_TTL_MS = 5_000;
/** Long enough for every replica to see that a key went. */
const TOMBSTONE_MS = 60_000;
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
  readonly #bucket: BucketWriter;
  readonly #life = nuid.next();
  /** What is written under one's own member key and leases. */
  readonly #mine: string;
  /** Partitions held by this replica, with the revision of the lease. */
  readonly #held = new Map<number, number>();
  #timer: NodeJS.Timeout | undefined;
  #working: Promise<void> | undefined;
  #again = false;
  #stopped = false;

  constructor(options: PartitionLeasesOptions) {
    this.#options = options;
    this.#ttlMs = Math.max(2_000, options.ttlMs ?? DEFAULT_TTL_MS);
    this.#bucket = new BucketWriter(options.nc, Bucket.leases);
    this.#mine = JSON.stringify({ owner: options.owner, life: this.#life } satisfies Lease);
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
    if (!nc.isClosed()) await this.#bucket.remove(memberKey(owner), { ttlMs: TOMBSTONE_MS }).catch(() => undefined);
  }

  async #start(): Promise<void> {
    await this.#mirror.ready;
    if (this.#stopped) return;
    await this.#inherit();
    await this.#renew();
    this.#timer = setInterval(() => void this.#renew(), this.#ttlMs / 4);
    this.#reconcile();
  }

  /**
   * Takes over what this replica held when it died: nobody has to wait until that expires. Once, at the beginning: of two
   * that live under one name by mistake the later one has it, and they do not take it from each other for ever.
   */
  async #inherit(): Promise<void> {
    const { partitions, onAcquired } = this.#options;
    const ttlMs = this.#ttlMs;
    const mine = Array.from({ length: partitions }, (_, partition) => partition).filter((partition) =>
      this.#isOfThisName(this.#mirror.get(leaseKey(partition))),
    );
    const taking = mine.map(async (partition) => {
      const expected = this.#mirror.revisionOf(leaseKey(partition));
      this.#held.set(partition, await this.#bucket.put(leaseKey(partition), this.#mine, { expected, ttlMs }));
      onAcquired(partition);
    });
    // Those that went meanwhile are acquired like any other.
    await Promise.allSettled(taking);
  }

  #isOfThisName(lease: Lease | undefined): boolean {
    return lease?.owner === this.#options.owner;
  }

  /** A sign of life for oneself and for each lease. A lease that somebody else has by now is lost. */
  async #renew(): Promise<void> {
    const ttlMs = this.#ttlMs;
    const alive = this.#bucket.put(memberKey(this.#options.owner), this.#mine, { ttlMs });
    const renewals = [...this.#held].map(async ([partition, expected]) => {
      try {
        const revision = await this.#bucket.put(leaseKey(partition), this.#mine, { expected, ttlMs });
        if (this.#held.get(partition) === expected) this.#held.set(partition, revision);
      } catch (error) {
        if (error instanceof StaleRevision && this.#held.get(partition) === expected) this.#lose(partition);
      }
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
    for (const partition of this.held) if (this.#taken(partition)) this.#lose(partition);
    const surplus = this.held.filter((partition) => !target.has(partition));
    const wanted = [...target].filter((partition) => !this.#held.has(partition));
    await Promise.all([
      ...surplus.map((partition) => this.#release(partition)),
      ...wanted.map((partition) => this.#acquire(partition)),
    ]);
  }

  /** Only a free partition is taken: its holder gives it back when it sees the new member, or it expires. */
  async #acquire(partition: number): Promise<void> {
    if (this.#mirror.has(leaseKey(partition))) return;
    try {
      const revision = await this.#bucket.create(leaseKey(partition), this.#mine, { ttlMs: this.#ttlMs });
      if (this.#held.has(partition)) return;
      this.#held.set(partition, revision);
      this.#options.onAcquired(partition);
    } catch (error) {
      // Somebody was faster; their lease will show in the mirror.
      if (!(error instanceof StaleRevision)) throw error;
    }
  }

  async #release(partition: number): Promise<void> {
    if (!this.#held.delete(partition)) return;
    await this.#options.onReleased(partition, 'handover');
    // Without expecting a revision: a renewal may have been under way. The next holder creates it again anyway.
    if (!this.#options.nc.isClosed()) await this.#bucket.remove(leaseKey(partition), { ttlMs: TOMBSTONE_MS });
  }

  /** Somebody else's lease, newer than our own. */
  #taken(partition: number): boolean {
    const lease = this.#mirror.get(leaseKey(partition));
    if (!lease || (this.#isOfThisName(lease) && lease.life === this.#life)) return false;
    return this.#mirror.revisionOf(leaseKey(partition)) > (this.#held.get(partition) ?? 0);
  }

  #lose(partition: number): void {
    if (this.#held.delete(partition)) void this.#options.onReleased(partition, 'lost');
  }
}

const memberKey = (owner: string): string => MEMBER + owner.replaceAll(/[^-_=.a-zA-Z0-9]/g, '_');
const leaseKey = (partition: number): string => `${PARTITION}${partition}`;
