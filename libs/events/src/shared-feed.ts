import type { NatsConnection } from '@nats-io/nats-core';
import { LOG_STREAM } from './names.js';
import { OrderedReader, type Delivered } from './ordered-reader.js';
import { partitionOfSubject } from './subject.js';

type Listener = (delivered: Delivered[]) => void;

/**
 * The log as it grows, read once for all partitions that this process works: one unfiltered consumer costs the server
 * a third less than one filtered consumer for each of sixteen partitions. It runs while somebody listens.
 */
export class SharedFeed {
  readonly #nc: NatsConnection;
  readonly #lastSeq: () => Promise<number>;
  readonly #listeners = new Map<string, Set<Listener>>();
  #reader: Promise<OrderedReader> | undefined;
  #count = 0;

  constructor(nc: NatsConnection, lastSeq: () => Promise<number>) {
    this.#nc = nc;
    this.#lastSeq = lastSeq;
  }

  /**
   * Hands over every message of a partition from some moment on. Once this resolves, the listener misses nothing that
   * is appended later; what lies before that moment is the listener's to read.
   */
  async listen(partition: string, listener: Listener): Promise<() => void> {
    const listeners = this.#listeners.get(partition) ?? new Set();
    this.#listeners.set(partition, listeners.add(listener));
    this.#count += 1;
    const off = (): void => {
      if (!listeners.delete(listener)) return;
      this.#count -= 1;
      if (this.#count === 0) this.#stop();
    };
    try {
      await (this.#reader ??= this.#start());
    } catch (error) {
      off();
      throw error;
    }
    return off;
  }

  async #start(): Promise<OrderedReader> {
    const fromSeq = (await this.#lastSeq()) + 1;
    const reader = new OrderedReader({ nc: this.#nc, stream: LOG_STREAM, fromSeq, prefetch: 4096 });
    void this.#deal(reader);
    return reader;
  }

  #stop(): void {
    const stopping = this.#reader;
    this.#reader = undefined;
    void stopping?.then(
      (reader) => reader.close(),
      () => undefined,
    );
  }

  async #deal(reader: OrderedReader): Promise<void> {
    for await (const batch of reader) {
      const shares = new Map<string, Delivered[]>();
      for (const delivered of batch) {
        const partition = partitionOfSubject(delivered.message.subject);
        if (!this.#listeners.has(partition)) continue;
        const share = shares.get(partition);
        if (share) share.push(delivered);
        else shares.set(partition, [delivered]);
      }
      for (const [partition, share] of shares) {
        for (const listener of this.#listeners.get(partition) ?? []) listener(share);
      }
    }
  }
}
