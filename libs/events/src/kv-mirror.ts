import type { NatsConnection } from '@nats-io/nats-core';
import { findHeader } from './headers.js';
import { kvStream, kvSubject } from './names.js';
import { OrderedReader, type Delivered } from './ordered-reader.js';
import { headerBlock } from './stored-message.js';

export type KvChange<V> =
  | { kind: 'put'; key: string; value: V; revision: number; time: number }
  /** `expired`: its time to live ended; otherwise somebody deleted it, or it was found gone after a reconnect. */
  | { kind: 'removed'; key: string; revision: number; expired: boolean };

export interface KvMirrorOptions<V> {
  nc: NatsConnection;
  bucket: string;
  /** Only these keys, e.g. `cap.>`. */
  keys?: string;
  /** JSON by default. What cannot be decoded is left out of the mirror and reported. */
  decode?: (bytes: Uint8Array, key: string) => V;
  /** Called in the order of the revisions, once per batch. */
  onChange?: (changes: KvChange<V>[], mirror: KvMirror<V>) => void;
  onUndecodable?: (key: string, error: unknown) => void;
}

/** A snapshot of a bucket takes milliseconds; after this it is asked for again. */
const SNAPSHOT_PATIENCE_MS = 3_000;

interface Entry<V> {
  value: V;
  revision: number;
  time: number;
}

/**
 * A KV bucket as a map in memory that follows it: complete once `ready`, and complete again after each reconnect, also
 * when keys were deleted and their markers forgotten in the meantime.
 */
export class KvMirror<V> {
  readonly #options: KvMirrorOptions<V>;
  readonly #entries = new Map<string, Entry<V>>();
  readonly #reader: OrderedReader;
  readonly #prefix: number;
  #revision = 0;
  /** While a snapshot is coming in: what is left of it, and the keys that it has shown so far. */
  #snapshot: { left: number; seen: Set<string> } | undefined;
  #patience: NodeJS.Timeout | undefined;
  #resolveReady!: () => void;
  #stopped = false;
  /** Resolves when the state of the bucket at the time of opening is here. */
  readonly ready: Promise<void>;

  constructor(options: KvMirrorOptions<V>) {
    this.#options = options;
    this.#prefix = kvSubject(options.bucket, '').length;
    this.ready = new Promise((resolve) => (this.#resolveReady = resolve));
    this.#reader = new OrderedReader({
      nc: options.nc,
      stream: kvStream(options.bucket),
      filters: [kvSubject(options.bucket, options.keys ?? '>')],
      lastPerSubject: true,
      // A new consumer begins with the newest message of every key: whatever it does not show is gone.
      onAttached: ({ pending }) => {
        this.#snapshot = { left: pending, seen: new Set() };
        if (pending === 0) this.#endSnapshot();
        else this.#expectSnapshot();
      },
    });
    void this.#follow();
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

  /** Revision of a key, 0 when it is not there: what a conditional write expects. */
  revisionOf(key: string): number {
    return this.#entries.get(key)?.revision ?? 0;
  }

  *entries(): IterableIterator<[string, V]> {
    for (const [key, { value }] of this.#entries) yield [key, value];
  }

  close(): void {
    this.#stopped = true;
    clearTimeout(this.#patience);
    this.#reader.close();
  }

  /** Keys that vanish without a marker between the count and the delivery would be waited for in vain: count again. */
  #expectSnapshot(): void {
    clearTimeout(this.#patience);
    this.#patience = setTimeout(() => {
      if (this.#snapshot && !this.#stopped) this.#reader.restart();
    }, SNAPSHOT_PATIENCE_MS).unref();
  }

  async #follow(): Promise<void> {
    for (;;) {
      const batch = await this.#reader.take(1024).catch(() => undefined);
      if (!batch || this.#stopped) return;
      this.#apply(batch);
    }
  }

  #apply(batch: Delivered[]): void {
    const changes: KvChange<V>[] = [];
    for (const delivered of batch) {
      const change = this.#changeOf(delivered);
      if (change) changes.push(change);
    }
    const snapshot = this.#snapshot;
    if (snapshot) {
      snapshot.left -= batch.length;
      if (batch.at(-1)?.delivery.pending === 0) snapshot.left = 0;
      if (snapshot.left <= 0) changes.push(...this.#missing(snapshot.seen));
    }
    if (changes.length > 0) this.#options.onChange?.(changes, this);
    if (snapshot && snapshot.left <= 0) this.#endSnapshot();
  }

  #changeOf({ message, delivery }: Delivered): KvChange<V> | undefined {
    const key = message.subject.slice(this.#prefix);
    this.#snapshot?.seen.add(key);
    this.#revision = Math.max(this.#revision, delivery.seq);
    if (this.revisionOf(key) >= delivery.seq) return undefined;
    const headers = headerBlock(message);
    const marker = findHeader(headers, 'Nats-Marker-Reason');
    const operation = findHeader(headers, 'KV-Operation');
    if (marker !== '' || operation === 'DEL' || operation === 'PURGE') {
      return this.#remove(key, delivery.seq, marker === 'MaxAge');
    }
    try {
      const value = (this.#options.decode ?? parseJson<V>)(message.data, key);
      this.#entries.set(key, { value, revision: delivery.seq, time: delivery.time });
      return { kind: 'put', key, value, revision: delivery.seq, time: delivery.time };
    } catch (error) {
      this.#options.onUndecodable?.(key, error);
      return this.#remove(key, delivery.seq, false);
    }
  }

  #remove(key: string, revision: number, expired: boolean): KvChange<V> | undefined {
    return this.#entries.delete(key) ? { kind: 'removed', key, revision, expired } : undefined;
  }

  /** Keys that we hold and the snapshot did not show: gone while we were away. */
  #missing(seen: Set<string>): KvChange<V>[] {
    const gone = [...this.#entries.keys()].filter((key) => !seen.has(key));
    for (const key of gone) this.#entries.delete(key);
    return gone.map((key) => ({ kind: 'removed', key, revision: this.#revision, expired: false }));
  }

  #endSnapshot(): void {
    const empty = this.#snapshot?.seen.size === 0 ? this.#missing(new Set()) : [];
    this.#snapshot = undefined;
    clearTimeout(this.#patience);
    if (empty.length > 0) this.#options.onChange?.(empty, this);
    this.#resolveReady();
  }
}

const parseJson = <V>(bytes: Uint8Array): V => JSON.parse(Buffer.from(bytes).toString('utf8')) as V;
