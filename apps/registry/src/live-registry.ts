import { Kvm, type KV } from '@nats-io/kv';
import type { NatsConnection } from '@nats-io/nats-core';
import type { Facet, RegisteredCapability } from '@flex/contracts';
import {
  Bucket,
  BucketWriter,
  capabilityEntryKey,
  facetKey,
  LogUnavailable,
  RegistryMirror,
  StaleRevision,
  type RegistryChange,
} from '@flex/events';

export type Entry = Facet | RegisteredCapability;

/** A key as this replica knows it; without value it was removed, and the revision is its tombstone's. */
export interface Known {
  revision: number;
  value?: Entry;
}

/** Sees the current value and the revision it has; gives the next value, or undefined to leave it. */
export type Decide<E extends Entry> = (
  current: E | undefined,
  revision: number,
) => Promise<E | undefined> | E | undefined;

export interface Changed<E extends Entry> {
  revision: number;
  value: E | undefined;
  written: boolean;
}

const MAX_TRIES = 60;

/**
 * The live state of the registry, and the only place where it is changed. Each change names the revision that it was
 * decided on, so that replicas that decide at the same time can't overwrite each other: the second one looks again.
 */
export class LiveRegistry {
  readonly mirror: RegistryMirror;
  readonly #writer: BucketWriter;
  readonly #kv: Promise<KV>;
  readonly #known = new Map<string, Known>();
  /** Changes of one key by this replica wait for each other; only other replicas can be faster. */
  readonly #turns = new Map<string, Promise<unknown>>();

  constructor(private readonly nc: NatsConnection) {
    this.#writer = new BucketWriter(nc, Bucket.registry);
    this.#kv = new Kvm(nc).open(Bucket.registry);
    this.mirror = new RegistryMirror(nc);
    this.mirror.onChange((changes) => {
      for (const change of changes) this.#learn(keyOf(change), { revision: change.revision, value: change.value });
    });
  }

  /** Every key that was ever seen, with tombstones. */
  entries(): ReadonlyMap<string, Known> {
    return this.#known;
  }

  get(key: string): Known | undefined {
    return this.#known.get(key);
  }

  /**
   * Changes one key; `decide` runs again when another replica was faster. Resolves with what is there afterwards.
   */
  change<E extends Entry>(key: string, decide: Decide<E>): Promise<Changed<E>> {
    const before = this.#turns.get(key);
    const turn = before ? before.then(() => this.#change(key, decide)) : this.#change(key, decide);
    const settled = turn.then(
      () => undefined,
      () => undefined,
    );
    this.#turns.set(key, settled);
    void settled.then(() => this.#turns.get(key) === settled && this.#turns.delete(key));
    return turn;
  }

  async #change<E extends Entry>(key: string, decide: Decide<E>): Promise<Changed<E>> {
    for (let attempt = 0; ; attempt += 1) {
      const current = this.#known.get(key) ?? { revision: 0 };
      const next = await decide(current.value as E | undefined, current.revision);
      if (next === undefined)
        return { revision: current.revision, value: current.value as E | undefined, written: false };
      try {
        const revision = await this.#writer.put(key, JSON.stringify(next), { expected: current.revision });
        this.#learn(key, { revision, value: next });
        return { revision, value: next, written: true };
      } catch (error) {
        if (!isRepeatable(error) || attempt >= MAX_TRIES) throw error;
        await this.#lookAgain(key);
      }
    }
  }

  async remove(key: string): Promise<number> {
    const revision = await this.#writer.remove(key);
    this.#learn(key, { revision });
    return revision;
  }

  /** Waits until the mirror has everything that was written, by anybody, before now. */
  async catchUp(): Promise<void> {
    const status = await (await this.#kv).status();
    await this.mirror.reached(status.streamInfo.state.last_seq, AbortSignal.timeout(5_000));
  }

  /** Identity of the bucket: another one, when the bucket was lost and made again. */
  async bucketId(): Promise<string> {
    return (await (await this.#kv).status()).streamInfo.created;
  }

  close(): void {
    this.mirror.close();
  }

  async #lookAgain(key: string): Promise<void> {
    const entry = await (await this.#kv).get(key);
    if (!entry) this.#known.set(key, { revision: 0 });
    else
      this.#known.set(key, { revision: entry.revision, ...(entry.operation === 'PUT' ? { value: entry.json() } : {}) });
  }

  #learn(key: string, known: Known): void {
    const before = this.#known.get(key);
    if (!before || before.revision <= known.revision) this.#known.set(key, known);
  }
}

const isRepeatable = (error: unknown): boolean => error instanceof StaleRevision || error instanceof LogUnavailable;

const keyOf = ({ kind, tenant, name }: RegistryChange): string =>
  kind === 'facet' ? facetKey(tenant, name) : capabilityEntryKey(tenant, name);
