import type { NatsConnection } from '@nats-io/nats-core';
import { LOG_STREAM } from './names.js';
import { OrderedReader, type Delivered } from './ordered-reader.js';
import { partitionOfSubject } from './subject.js';

/** Messages that may wait for a slow owner; with more it has to read for itself, at its own pace. */
const MAX_WAITING = 8_192;
/** One consumer for all pays when this share of the partitions is read here; below it sends more than is wanted. */
const WORTH = 1 / 4;

/** What the feed brings of one partition, from the moment on at which it was opened. */
export class Share {
  #waiting: Delivered[] = [];
  #wake: (() => void) | undefined;
  /** It has everything of the partition after this sequence. */
  after = Number.MAX_SAFE_INTEGER;
  /** Ended: by its owner, because too much waits, or with the connection. What waits is worth nothing then. */
  closed = false;

  constructor(
    private readonly maxWaiting: number,
    private readonly onClose: () => void,
  ) {}

  get size(): number {
    return this.#waiting.length;
  }

  /** Whatever waits, at least one and at most `max`; undefined when closed. */
  async take(max: number): Promise<Delivered[] | undefined> {
    while (!this.closed && this.#waiting.length === 0) await new Promise<void>((resolve) => (this.#wake = resolve));
    return this.closed ? undefined : this.#waiting.splice(0, max);
  }

  push(delivered: Delivered): void {
    if (this.#waiting.push(delivered) > this.maxWaiting) this.close();
    this.#wake?.();
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.#waiting = [];
    this.onClose();
    this.#wake?.();
  }
}

/**
 * The log as it grows, read once for all partitions that this process owns: one unfiltered consumer costs the server a
 * third less than one filtered consumer for each of sixteen partitions, and what belongs together in time arrives in one
 * piece. It runs while somebody has a share.
 */
export class SharedFeed {
  readonly #shares = new Map<string, Set<Share>>();
  #starting: Promise<void> | undefined;
  #reader: OrderedReader | undefined;
  /** The last sequence that was dealt out. */
  #dealt = 0;
  /** Readers of partitions in this process, with or without a share. */
  #readers = 0;

  constructor(
    private readonly nc: NatsConnection,
    private readonly partitions: number,
    private readonly lastSeq: () => Promise<number>,
  ) {}

  /** Says that one more partition is read here; call the answer when that ends. */
  enter(): () => void {
    this.#readers += 1;
    return () => (this.#readers -= 1);
  }

  get isWorthwhile(): boolean {
    return this.#readers >= this.partitions * WORTH && this.#readers > 1;
  }

  /** Messages that the feed has not brought yet and that are for this process, as far as known: all have the same chance. */
  get lag(): number {
    return this.#reader ? Math.ceil((this.#reader.lag * this.#readers) / this.partitions) : 0;
  }

  /** Resolves when it is known from where on the share has everything. Rejects without a server. */
  async open(partition: string, maxWaiting = MAX_WAITING): Promise<Share> {
    const shares = this.#shares.get(partition) ?? new Set<Share>();
    this.#shares.set(partition, shares);
    const share = new Share(maxWaiting, () => {
      shares.delete(share);
      if (shares.size === 0 && this.#shares.get(partition) === shares) this.#shares.delete(partition);
      if (this.#shares.size === 0) this.#stop();
    });
    shares.add(share);
    try {
      while (!this.#reader && !share.closed)
        await (this.#starting ??= this.#start().finally(() => (this.#starting = undefined)));
    } catch (error) {
      share.close();
      throw error;
    }
    share.after = this.#dealt;
    return share;
  }

  async #start(): Promise<void> {
    this.#dealt = await this.lastSeq();
    this.#reader = new OrderedReader({ nc: this.nc, stream: LOG_STREAM, fromSeq: this.#dealt + 1, prefetch: 4096 });
    void this.#deal(this.#reader);
    if (this.#shares.size === 0) this.#stop();
  }

  async #deal(reader: OrderedReader): Promise<void> {
    for await (const batch of reader) {
      if (reader !== this.#reader) return;
      for (const delivered of batch) {
        this.#dealt = delivered.delivery.seq;
        for (const share of this.#shares.get(partitionOfSubject(delivered.message.subject)) ?? [])
          share.push(delivered);
      }
    }
    if (reader !== this.#reader) return;
    // The connection is gone for good.
    for (const shares of [...this.#shares.values()]) for (const share of [...shares]) share.close();
  }

  #stop(): void {
    this.#reader?.close();
    this.#reader = undefined;
  }
}
