import { LOG_STREAM } from './names.js';
import { OrderedReader, type Delivered, type OrderedReaderOptions } from './ordered-reader.js';
import type { Share, SharedFeed } from './shared-feed.js';
import { partitionFilters } from './subject.js';

export interface PartitionReaderOptions extends Pick<OrderedReaderOptions, 'nc' | 'fromSeq' | 'signal' | 'onAttached'> {
  feed: SharedFeed;
  /** Token of the partition. */
  partition: string;
  maxWaiting?: number;
}

/**
 * Reads one partition in order, without gap or repeat: the past with a consumer of its own, the present from the process's
 * shared feed. Near the present it opens a share of the feed, and changes over with the first message that lies after the
 * share's beginning: everything before has been seen then, everything after it is in the share, and what is in both is
 * told by its sequence.
 */
export class PartitionReader {
  readonly #options: PartitionReaderOptions;
  readonly #leaveFeed: () => void;
  #own: OrderedReader | undefined;
  #share: Share | undefined;
  #joining = false;
  #position: number;
  #ended = false;

  constructor(options: PartitionReaderOptions) {
    this.#options = options;
    this.#position = Math.max(0, (options.fromSeq ?? 1) - 1);
    this.#leaveFeed = options.feed.enter();
    options.signal?.addEventListener('abort', this.#onAbort, { once: true });
    this.#readForItself(options.onAttached);
    if (options.signal?.aborted) this.close();
  }

  /** Messages not taken yet, as far as known; infinite before the first answer of the server. */
  get lag(): number {
    return this.#own ? this.#own.lag : (this.#share?.size ?? 0);
  }

  /** Whether it lives on the shared feed now. */
  get isShared(): boolean {
    return !this.#own && !this.#ended && this.#share?.closed === false;
  }

  /** All that is there now, at least one and at most `max`; undefined at the end: closed, aborted, or no connection. */
  async take(max: number): Promise<Delivered[] | undefined> {
    while (!this.#ended) {
      const batch = this.#own ? await this.#ofItsOwn(this.#own, max) : await this.#ofShare(max);
      const news = batch?.filter(({ delivery }) => delivery.seq > this.#position) ?? [];
      if (news.length === 0) continue;
      this.#position = news.at(-1)!.delivery.seq;
      return news;
    }
    return undefined;
  }

  close(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#options.signal?.removeEventListener('abort', this.#onAbort);
    this.#leaveFeed();
    this.#own?.close();
    this.#share?.close();
  }

  readonly #onAbort = (): void => this.close();

  #readForItself(onAttached?: OrderedReaderOptions['onAttached']): void {
    const { nc, partition } = this.#options;
    const filters = partitionFilters(partition);
    this.#own = new OrderedReader({ nc, stream: LOG_STREAM, filters, fromSeq: this.#position + 1, onAttached });
  }

  async #ofItsOwn(own: OrderedReader, max: number): Promise<Delivered[] | undefined> {
    const batch = await own.take(max);
    if (!batch) {
      this.close();
      return undefined;
    }
    const { seq, pending } = batch.at(-1)!.delivery;
    const share = this.#share?.closed ? undefined : this.#share;
    if (share && seq > share.after) {
      own.close();
      this.#own = undefined;
    } else if (!share && pending === 0) void this.#join();
    return batch;
  }

  async #ofShare(max: number): Promise<Delivered[] | undefined> {
    const batch = await this.#share?.take(max);
    if (!batch && !this.#ended) {
      // Too much came for a slow owner.
      this.#share = undefined;
      this.#readForItself();
    }
    return batch;
  }

  /** Best effort, at each end of the own past: until it works, the own consumer goes on. */
  async #join(): Promise<void> {
    const { feed, partition, maxWaiting } = this.#options;
    if (this.#joining || !feed.isWorthwhile) return;
    this.#joining = true;
    try {
      this.#share = await feed.open(partition, maxWaiting);
      if (this.#ended) this.#share.close();
    } catch {
      // The server is away.
    } finally {
      this.#joining = false;
    }
  }
}
