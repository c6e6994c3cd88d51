import type { NatsConnection } from '@nats-io/nats-core';
import { findHeader } from './headers.js';
import { kvStream, kvSubject } from './names.js';
import { OrderedReader, type Delivered } from './ordered-reader.js';
import { headerBlock } from './stored-message.js';

/** A key of a bucket as it was last written, or how it went: `deleted` by somebody, `expired` by its time to live. */
export type BucketEntry =
  | { key: string; revision: number; value: Uint8Array; gone?: undefined }
  | { key: string; revision: number; value?: undefined; gone: 'deleted' | 'expired' };

export interface BucketWatchOptions {
  nc: NatsConnection;
  bucket: string;
  /** Only these keys; wildcards as in subjects. */
  keys?: string[];
  /** Called with whatever arrived together; `caughtUp` once all that lay in the bucket has been seen. */
  onEntries: (entries: BucketEntry[], caughtUp: boolean) => void;
  /** Only expiry markers and deletions carry meaning then; values are empty. */
  headersOnly?: boolean;
}

/** The entries of a bucket come within milliseconds; after this they are asked for again. */
const PATIENCE_MS = 5_000;

/**
 * Follows a KV bucket: first its current entries, then each change, over restarts and lost connections. After a gap
 * the whole bucket is read again, and keys that went in between are reported as deleted, so that whoever follows never
 * keeps what is not there any more.
 */
export class BucketWatch {
  readonly #options: BucketWatchOptions;
  readonly #reader: OrderedReader;
  readonly #prefix: string;
  readonly #known = new Map<string, number>();
  /** Keys of the bucket that have not come again since the last attachment. */
  #unseen: Set<string> | undefined;
  #caughtUp = false;
  #patience: NodeJS.Timeout | undefined;
  #resolveReady!: () => void;
  /** Resolves when all that lay in the bucket at the start has been handed over. */
  readonly ready: Promise<void>;

  constructor(options: BucketWatchOptions) {
    this.#options = options;
    this.#prefix = kvSubject(options.bucket, '');
    this.ready = new Promise((resolve) => (this.#resolveReady = resolve));
    this.#reader = new OrderedReader({
      nc: options.nc,
      stream: kvStream(options.bucket),
      filters: (options.keys ?? ['>']).map((key) => this.#prefix + key),
      lastPerSubject: true,
      headersOnly: options.headersOnly,
      onAttached: ({ pending }) => {
        this.#unseen = new Set(this.#known.keys());
        if (pending === 0) this.#handOver([], true);
        else this.#expectAll();
      },
    });
    void this.#follow();
  }

  get isReady(): boolean {
    return this.#caughtUp;
  }

  close(): void {
    clearTimeout(this.#patience);
    this.#reader.close();
  }

  /** Keys that vanish without a trace between the count and the delivery would be waited for in vain: count again. */
  #expectAll(): void {
    clearTimeout(this.#patience);
    this.#patience = setTimeout(() => this.#unseen && this.#reader.restart(), PATIENCE_MS).unref();
  }

  async #follow(): Promise<void> {
    try {
      for await (const batch of this.#reader) {
        const complete = batch.some(({ delivery }) => delivery.pending === 0);
        this.#handOver(
          batch.map((delivered) => this.#entryOf(delivered)),
          complete,
        );
      }
    } catch {
      // The connection was closed for good: so is this.
    }
  }

  #handOver(entries: BucketEntry[], complete: boolean): void {
    for (const { key, revision, gone } of entries) {
      if (gone) this.#known.delete(key);
      else this.#known.set(key, revision);
      this.#unseen?.delete(key);
    }
    if (complete && this.#unseen) {
      for (const key of this.#unseen) {
        entries.push({ key, revision: this.#known.get(key) ?? 0, gone: 'deleted' });
        this.#known.delete(key);
      }
      this.#unseen = undefined;
    }
    this.#caughtUp ||= complete;
    if (entries.length > 0 || complete) this.#options.onEntries(entries, this.#caughtUp);
    if (this.#caughtUp) this.#resolveReady();
  }

  #entryOf({ message, delivery }: Delivered): BucketEntry {
    const key = message.subject.slice(this.#prefix.length);
    const revision = delivery.seq;
    const headers = headerBlock(message);
    if (headers === '') return { key, revision, value: message.data };
    const marker = findHeader(headers, 'Nats-Marker-Reason');
    if (marker !== '') return { key, revision, gone: marker === 'MaxAge' ? 'expired' : 'deleted' };
    const operation = findHeader(headers, 'KV-Operation');
    return operation === 'DEL' || operation === 'PURGE'
      ? { key, revision, gone: 'deleted' }
      : { key, revision, value: message.data };
  }
}
