import type { NatsConnection } from '@nats-io/nats-core';
import { onClosed } from './connection-events.js';
import { LOG_STREAM } from './names.js';
import { OrderedReader, type AttachInfo, type Delivered } from './ordered-reader.js';
import type { SharedFeed } from './shared-feed.js';
import { partitionFilters } from './subject.js';

export interface PartitionReaderOptions {
  nc: NatsConnection;
  feed: SharedFeed;
  /** Token of the partition. */
  partition: string;
  fromSeq?: number;
  signal?: AbortSignal;
  onAttached?: (info: AttachInfo) => void;
  /** The last sequence under a subject, asked from the stream's leader. */
  lastSeq: (subject: string) => Promise<number>;
  /** Messages that may wait here for a slow owner; beyond that it reads for itself again, at its own pace. */
  maxWaiting?: number;
}

const MAX_WAITING = 8_192;

/**
 * Reads one partition: the past with a consumer of its own, and from the present on what the process's shared feed
 * brings. The two overlap, and the sequence decides what is new, so that there is neither gap nor repeat.
 */
export class PartitionReader {
  readonly #options: PartitionReaderOptions;
  #own: OrderedReader | undefined;
  readonly #maxWaiting: number;
  #position: number;
  #buffer: Delivered[] = [];
  #attachments = 0;
  #leave: (() => void) | undefined;
  /** What the feed brought while the past was still being read. */
  #ahead: Delivered[] | undefined;
  /** With this sequence the past ends; unknown until the feed runs. */
  #target: number | undefined;
  #joining = false;
  #wake: (() => void) | undefined;
  readonly #offClosed: () => void;
  #ended = false;

  constructor(options: PartitionReaderOptions) {
    this.#options = options;
    this.#maxWaiting = options.maxWaiting ?? MAX_WAITING;
    this.#position = Math.max(0, (options.fromSeq ?? 1) - 1);
    options.signal?.addEventListener('abort', this.#onAbort, { once: true });
    this.#offClosed = onClosed(options.nc, this.#onAbort);
    if (options.signal?.aborted) this.close();
    else this.#readForItself();
  }

  get lag(): number {
    return (this.#own?.lag ?? 0) + this.#buffer.length;
  }

  /** Whether it lives on the shared feed now. */
  get isShared(): boolean {
    return !this.#own && !this.#ended;
  }

  close(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#options.signal?.removeEventListener('abort', this.#onAbort);
    this.#offClosed();
    this.#own?.close();
    this.#own = undefined;
    this.#leaveFeed();
    this.#wake?.();
  }

  /** All that is there now, at least one and at most `max`; undefined at the end. */
  async take(max: number): Promise<Delivered[] | undefined> {
    while (!this.#ended && this.#buffer.length === 0) {
      await new Promise<void>((resolve) => (this.#wake = resolve));
      this.#wake = undefined;
    }
    if (this.#ended) return undefined;
    const batch = this.#buffer.length <= max ? this.#buffer : this.#buffer.splice(0, max);
    if (batch === this.#buffer) this.#buffer = [];
    this.#resume?.();
    return batch;
  }

  readonly #onAbort = (): void => this.close();
  #resume: (() => void) | undefined;

  #readForItself(): void {
    const { nc, partition, onAttached } = this.#options;
    const own: OrderedReader = new OrderedReader({
      nc,
      stream: LOG_STREAM,
      filters: partitionFilters(partition),
      fromSeq: this.#position + 1,
      onAttached: ({ pending }) => {
        onAttached?.({ pending, attachment: this.#attachments++ });
        if (pending === 0) void this.#join(own);
      },
    });
    this.#own = own;
    void this.#pump(own);
  }

  async #pump(own: OrderedReader): Promise<void> {
    for (;;) {
      const batch = await own.take(1024);
      if (own !== this.#own) return;
      // Not closed by us: the connection is gone for good.
      if (!batch) return this.close();
      this.#push(batch);
      if (batch.at(-1)?.delivery.pending === 0) void this.#join(own);
      this.#switchOver();
      while (own === this.#own && this.#buffer.length >= this.#maxWaiting / 2) {
        await new Promise<void>((resolve) => (this.#resume = resolve));
        this.#resume = undefined;
      }
    }
  }

  /** Listens to the feed first, then asks how far the past goes: whatever is appended in between comes twice. */
  async #join(own: OrderedReader): Promise<void> {
    if (this.#joining || this.#ended) return;
    this.#joining = true;
    const { feed, partition, lastSeq } = this.#options;
    this.#ahead = [];
    try {
      const leave = await feed.listen(partition, (share) => this.#heard(share));
      // Closed, or too much came before it was known how far the past goes.
      if (this.#ended || own !== this.#own || !this.#ahead) return leave();
      this.#leave = leave;
      const ends = await Promise.all(partitionFilters(partition).map((filter) => lastSeq(filter)));
      if (this.#ended || own !== this.#own || !this.#leave) return;
      this.#target = Math.max(0, ...ends);
      this.#switchOver();
    } catch {
      // The server is away: it goes on by itself and tries again at the next end of its past.
      this.#leaveFeed();
    } finally {
      this.#joining = false;
    }
  }

  #heard(share: Delivered[]): void {
    if (this.#own) {
      this.#ahead?.push(...share);
      if ((this.#ahead?.length ?? 0) > this.#maxWaiting) this.#leaveFeed();
      return;
    }
    this.#push(share);
    if (this.#buffer.length > this.#maxWaiting) {
      this.#leaveFeed();
      this.#readForItself();
    }
  }

  /** When the past is read up to where the feed certainly is, the feed alone goes on. */
  #switchOver(): void {
    if (!this.#own || !this.#leave || this.#target === undefined || this.#position < this.#target) return;
    const own = this.#own;
    const ahead = this.#ahead ?? [];
    this.#own = undefined;
    this.#ahead = undefined;
    own.close();
    this.#resume?.();
    this.#push(ahead);
  }

  #leaveFeed(): void {
    this.#leave?.();
    this.#leave = undefined;
    this.#ahead = undefined;
    this.#target = undefined;
  }

  #push(batch: Delivered[]): void {
    let added = false;
    for (const delivered of batch) {
      if (delivered.delivery.seq <= this.#position) continue;
      this.#position = delivered.delivery.seq;
      this.#buffer.push(delivered);
      added = true;
    }
    if (added) this.#wake?.();
  }
}
