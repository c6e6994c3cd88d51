import { setTimeout as delay } from 'node:timers/promises';
import { AckPolicy, DeliverPolicy, jetstreamManager, ReplayPolicy, type JetStreamManager } from '@nats-io/jetstream';
import { nanos, nuid, type Msg, type NatsConnection } from '@nats-io/nats-core';
import { ask } from './ask.js';
import { onClosed } from './connection-events.js';
import { retryDelay } from './retry.js';
import { PullSession } from './pull-session.js';
import type { Delivery } from './stored-message.js';

export interface OrderedReaderOptions {
  nc: NatsConnection;
  stream: string;
  /** Subject filters; none means everything. They must not overlap. */
  filters?: string[];
  /** First sequence wanted; 1 is the beginning. */
  fromSeq?: number;
  /** Instead of a sequence: the newest message of each subject, then everything that follows. */
  lastPerSubject?: boolean;
  headersOnly?: boolean;
  signal?: AbortSignal;
  /** Called whenever a server-side consumer was (re)created; `snapshot` is what was pending at that moment. */
  onAttached?: (info: AttachInfo) => void;
  /** Messages buffered here before the server is asked for more. */
  prefetch?: number;
  /**
   * Milliseconds between two looks at the log while it is busy. Every message that is delivered alone wakes server and
   * reader up; who projects for others can wait a moment and take what has come meanwhile. Asked before each pause.
   * Left out: at once, each.
   */
  paceMs?: () => number;
}

export interface AttachInfo {
  /** Messages that matched and lay in the stream when the consumer was created. */
  pending: number;
  /** 0 for the first time. */
  attachment: number;
}

/** A message with what its delivery says about it. */
export interface Delivered {
  message: Msg;
  delivery: Delivery;
}

const DEFAULT_PREFETCH = 1024;
/** How long a paced reader that was told to hurry takes each message as it comes. */
const HURRY_MS = 3;
/** The server forgets an abandoned reader after this. */
const INACTIVE_MS = 60_000;

/**
 * Reads a stream in order, without gap or repeat, over restarts of the server, lost consumers and cut connections: its
 * only state is the next sequence, and on any doubt it attaches a new consumer from there. Delivers whatever is there in
 * one batch, because whoever folds or decides by the batch is several times faster.
 */
export class OrderedReader implements AsyncIterable<Delivered[]> {
  readonly #options: OrderedReaderOptions;
  readonly #prefetch: number;
  #jsm: JetStreamManager | undefined;
  #session: PullSession | undefined;
  #consumer: string | undefined;
  #buffer: Delivered[] = [];
  #nextSeq: number;
  #deliverySeq = 0;
  #attachments = 0;
  #pending = Number.POSITIVE_INFINITY;
  #wake: (() => void) | undefined;
  /** Runs while a paced reader lets messages gather. */
  #pause: NodeJS.Timeout | undefined;
  /** Messages that the request under way has brought; a paced reader goes on looking while there are any. */
  #brought = 0;
  readonly #offClosed: () => void;
  #ended = false;
  #resolveAttached!: (first: AttachInfo | undefined) => void;
  /** Resolves when the log is being read, with what lay in it; with undefined when the end came before. */
  readonly attached: Promise<AttachInfo | undefined>;

  constructor(options: OrderedReaderOptions) {
    this.#options = options;
    this.attached = new Promise((resolve) => (this.#resolveAttached = resolve));
    this.#prefetch = options.prefetch ?? DEFAULT_PREFETCH;
    this.#nextSeq = Math.max(1, options.fromSeq ?? 1);
    options.signal?.addEventListener('abort', this.#onAbort, { once: true });
    this.#offClosed = onClosed(options.nc, this.#onAbort);
    if (options.signal?.aborted) this.close();
    else void this.#attach();
  }

  /** Messages that match and were not delivered to this reader yet, as far as known; infinite before the first answer. */
  get lag(): number {
    return this.#pending + this.#buffer.length;
  }

  /** The sequence that the next attachment would start from: one more than the last one received. */
  get nextSeq(): number {
    return this.#nextSeq;
  }

  close(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#options.signal?.removeEventListener('abort', this.#onAbort);
    this.#offClosed();
    clearTimeout(this.#pause);
    this.#session?.close();
    this.#session = undefined;
    this.#forgetConsumer();
    this.#wake?.();
    this.#resolveAttached(undefined);
  }

  /** Best effort: what is not deleted here, the server forgets by itself. */
  #forgetConsumer(): void {
    const name = this.#consumer;
    this.#consumer = undefined;
    if (name === undefined || this.#options.nc.isClosed()) return;
    void this.#jsm?.consumers.delete(this.#options.stream, name).catch(() => undefined);
  }

  /** Attaches anew, as after a lost connection. */
  restart(): void {
    const session = this.#session;
    if (!session) return;
    session.close();
    this.#reattach(session);
  }

  /** A paced reader takes at once what is there and what comes in the next moment: somebody waits for it. */
  hurry(): void {
    if (!this.#options.paceMs || !this.#session) return;
    clearTimeout(this.#pause);
    this.#pause = undefined;
    this.#session.pull(this.#prefetch, HURRY_MS);
  }

  /** All that is there now, at least one and at most `max`; undefined at the end: closed, aborted, or no connection. */
  async take(max: number): Promise<Delivered[] | undefined> {
    while (!this.#ended && this.#buffer.length === 0) {
      await new Promise<void>((resolve) => (this.#wake = resolve));
      this.#wake = undefined;
    }
    if (this.#ended) return undefined;
    const batch = this.#buffer.length <= max ? this.#buffer : this.#buffer.splice(0, max);
    if (batch === this.#buffer) this.#buffer = [];
    this.#refill();
    return batch;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Delivered[]> {
    try {
      for (;;) {
        const batch = await this.take(this.#prefetch);
        if (!batch) return;
        yield batch;
      }
    } finally {
      this.close();
    }
  }

  readonly #onAbort = (): void => this.close();

  /** Tries until it works: a server that is away is waited for. */
  async #attach(): Promise<void> {
    for (let attempt = 0; !this.#ended; attempt += 1) {
      try {
        return await this.#createConsumer();
      } catch {
        if (this.#options.nc.isClosed()) return this.close();
        await delay(retryDelay(attempt));
      }
    }
  }

  async #createConsumer(): Promise<void> {
    const { nc, stream, filters = [], headersOnly } = this.#options;
    this.#jsm ??= await jetstreamManager(nc, { checkAPI: false, timeout: 5_000 });
    const jsm = this.#jsm;
    const config = {
      // With a name the subject of the request says what is read, and permissions go by that.
      ...(filters.length > 1 ? {} : { name: `reader-${nuid.next()}` }),
      ack_policy: AckPolicy.None,
      replay_policy: ReplayPolicy.Instant,
      inactive_threshold: nanos(INACTIVE_MS),
      mem_storage: true,
      num_replicas: 1,
      max_deliver: 1,
      ...this.#start(),
      ...(headersOnly ? { headers_only: true } : {}),
      ...(filters.length === 1 ? { filter_subject: filters[0] } : {}),
      ...(filters.length > 1 ? { filter_subjects: filters } : {}),
    };
    const info = await ask(nc, () => jsm.consumers.add(stream, config));
    this.#consumer = info.name;
    if (this.#ended) return this.#forgetConsumer();
    // A snapshot begins anew, and what is left of the one before would be counted to it.
    if (this.#options.lastPerSubject) this.#buffer = [];
    this.#pending = info.num_pending;
    this.#deliverySeq = 0;
    const attached = { pending: info.num_pending, attachment: this.#attachments };
    this.#options.onAttached?.(attached);
    this.#resolveAttached(attached);
    this.#attachments += 1;
    const session: PullSession = new PullSession({
      nc,
      stream,
      consumer: info.name,
      onMessage: (message, delivery) => this.#received(session, message, delivery),
      onRoom: () => this.#refill(),
      onTrouble: () => this.#reattach(session),
    });
    this.#session = session;
    this.#brought = 0;
    this.#refill();
  }

  #start(): { deliver_policy: DeliverPolicy; opt_start_seq?: number } {
    if (this.#options.lastPerSubject) return { deliver_policy: DeliverPolicy.LastPerSubject };
    if (this.#nextSeq <= 1) return { deliver_policy: DeliverPolicy.All };
    return { deliver_policy: DeliverPolicy.StartSequence, opt_start_seq: this.#nextSeq };
  }

  #received(session: PullSession, message: Msg, delivery: Delivery): void {
    if (session !== this.#session) return;
    if (delivery.deliverySeq !== this.#deliverySeq + 1) {
      // Something between was lost on the way: this one will come again from the new consumer.
      session.close();
      this.#reattach(session);
      return;
    }
    this.#deliverySeq = delivery.deliverySeq;
    this.#pending = delivery.pending;
    this.#nextSeq = delivery.seq + 1;
    this.#buffer.push({ message, delivery });
    // Waking is a microtask: by then the whole chunk of the socket has been parsed into the buffer.
    this.#wake?.();
    this.#brought += 1;
    if (session.outstanding < this.#prefetch / 4) this.#refill();
  }

  #reattach(session: PullSession): void {
    if (session !== this.#session || this.#ended) return;
    this.#session = undefined;
    this.#forgetConsumer();
    void this.#attach();
  }

  #refill(): void {
    const session = this.#session;
    if (!session) return;
    if (this.#options.paceMs) return this.#paced(session, this.#options.paceMs);
    if (session.outstanding < this.#prefetch / 2)
      session.pull(this.#prefetch - session.outstanding - this.#buffer.length);
  }

  /** Waits for one message; after that looks for what has gathered, now and then, until there is nothing. */
  #paced(session: PullSession, paceMs: () => number): void {
    if (session.outstanding > 0 || this.#pause || this.#buffer.length >= this.#prefetch) return;
    if (this.#brought === 0) return session.pull(1);
    const look = (): void => {
      this.#pause = undefined;
      this.#brought = 0;
      this.#session?.pull(this.#prefetch, 0);
    };
    // A look that brought all it asked for left something behind.
    if (this.#brought >= this.#prefetch) look();
    else this.#pause = setTimeout(look, paceMs());
  }
}
