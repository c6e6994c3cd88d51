import type { NatsConnection } from '@nats-io/nats-core';
import { BucketWatch, type BucketEntry } from './bucket-watch.js';

export type KvChange<V> =
  | { kind: 'put'; key: string; value: V; revision: number }
  /** `expired`: its time to live ended; otherwise somebody deleted it, or it was found gone after a reconnect. */
  | { kind: 'removed'; key: string; revision: number; expired: boolean };

export interface KvMirrorOptions<V> {
  nc: NatsConnection;
  bucket: string;
  /** Only these keys, e.g. `['cap.>']`. */
  keys?: string[];
  /** JSON by default. What cannot be decoded is left out of the mirror and reported. */
  decode?: (bytes: Uint8Array, key: string) => V;
  /** Called in the order of the revisions, once for what arrived together. */
  onChange?: (changes: KvChange<V>[], mirror: KvMirror<V>) => void;
  onUndecodable?: (key: string, error: unknown) => void;
}

/** A KV bucket as a map in memory that follows it: complete once `ready`, and complete again after each reconnect. */
export class KvMirror<V> {
  readonly #options: KvMirrorOptions<V>;
  readonly #entries = new Map<string, { value: V; revision: number }>();
  readonly #watch: BucketWatch;
  #revision = 0;

  constructor(options: KvMirrorOptions<V>) {
    this.#options = options;
    const { nc, bucket, keys } = options;
    this.#watch = new BucketWatch({ nc, bucket, keys, onEntries: (entries) => this.#apply(entries) });
  }

  /** Resolves when the state of the bucket at the time of opening is here. */
  get ready(): Promise<void> {
    return this.#watch.ready;
  }

  /** The last revision seen: two mirrors of the same revision hold the same. */
  get revision(): number {
    return this.#revision;
  }

  get size(): number {
    return this.#entries.size;
  }

  get(key: string): V | undefined {
    return this.#entries.get(key)?.value;
  }

  has(key: string): boolean {
    return this.#entries.has(key);
  }

  /** Revision of a key, 0 when it is not there. */
  revisionOf(key: string): number {
    return this.#entries.get(key)?.revision ?? 0;
  }

  *entries(): IterableIterator<[string, V]> {
    for (const [key, { value }] of this.#entries) yield [key, value];
  }

  close(): void {
    this.#watch.close();
  }

  #apply(entries: BucketEntry[]): void {
    const changes: KvChange<V>[] = [];
    for (const entry of entries) {
      const change = this.#changeOf(entry);
      if (change) changes.push(change);
    }
    if (changes.length > 0) this.#options.onChange?.(changes, this);
  }

  #changeOf(entry: BucketEntry): KvChange<V> | undefined {
    const { key, revision } = entry;
    this.#revision = Math.max(this.#revision, revision);
    if (entry.gone) return this.#remove(key, revision, entry.gone === 'expired');
    // After a reconnect everything comes once more.
    if (this.revisionOf(key) >= revision) return undefined;
    try {
      const value = (this.#options.decode ?? parseJson<V>)(entry.value, key);
      this.#entries.set(key, { value, revision });
      return { kind: 'put', key, value, revision };
    } catch (error) {
      this.#options.onUndecodable?.(key, error);
      return this.#remove(key, revision, false);
    }
  }

  #remove(key: string, revision: number, expired: boolean): KvChange<V> | undefined {
    return this.#entries.delete(key) ? { kind: 'removed', key, revision, expired } : undefined;
  }
}

const parseJson = <V>(bytes: Uint8Array): V => JSON.parse(Buffer.from(bytes).toString('utf8')) as V;
