import type { Msg, NatsConnection } from '@nats-io/nats-core';
import { partitionToken, type EventType } from '@flex/contracts';
import type { ClaimStore } from './claim-store.js';
import { parseClaim } from './claim-store.js';
import { ContractViolation, reasonOf } from './errors.js';
import type { FencedWriter } from './fenced-writer.js';
import { findHeader, Header } from './headers.js';
import { LOG_STREAM } from './names.js';
import { OrderedReader, type AttachInfo, type Delivered } from './ordered-reader.js';
import { PartitionReader } from './partition-reader.js';
import type { SharedFeed } from './shared-feed.js';
import {
  decodeEvent,
  envelopeOf,
  headerBlock,
  NewerEvent,
  type LogEvent,
  type StoredMessage,
} from './stored-message.js';
import { partitionFilters, partitionOfSubject } from './subject.js';

export interface TailOptions {
  /** Subject filters that don't overlap; together with `partitions` none or one of both. */
  filters?: string[];
  partitions?: number[];
  /** First sequence wanted. Left out: from the beginning. */
  fromSeq?: number;
  signal?: AbortSignal;
  /** Events in a batch at most. */
  maxBatch?: number;
  /** What to do with a message that breaks its contract; it is skipped afterwards. */
  onPoison?: PoisonHandler;
  /** The reader's own writer: what it has written itself it knows. */
  writer?: FencedWriter;
}

/** A message that broke its contract, as it was received. */
export interface PoisonMessage {
  stream: string;
  subject: string;
  seq: number;
  time: number;
  headers: string;
  data: Uint8Array;
}

export type PoisonHandler = (reason: string, message: PoisonMessage) => void | Promise<void>;

/** What a tail needs of the log. */
export interface TailSources {
  nc: NatsConnection;
  claims: ClaimStore;
  partitions: number;
  feed: SharedFeed;
}

const DEFAULT_BATCH = 512;

/**
 * Up to this share of the partitions is filtered by the server. With more filters the server needs longer to choose
 * (eight partitions: 12,000 messages a second) than to send everything (80,000), so the rest is dropped here.
 */
const FEW = 1 / 4;

/** The log as it grows, in batches. One consumer at a time may iterate it. */
export class Tail<T extends EventType = EventType> implements AsyncIterable<LogEvent<T>[]> {
  readonly #reader: OrderedReader | PartitionReader;
  readonly #claims: ClaimStore;
  readonly #options: TailOptions;
  /** Tokens of the partitions to keep, where the server sends all. */
  #wanted: Set<string> | undefined;
  #caughtUp = false;
  #resolveCaughtUp!: () => void;
  #backlog: number | undefined;
  #position: number;
  /** Resolves when all that lay in the log at the start has been delivered and the next batch was asked for. */
  readonly caughtUp: Promise<void>;

  constructor({ nc, claims, partitions, feed }: TailSources, options: TailOptions) {
    this.#claims = claims;
    this.#options = options;
    this.#position = Math.max(0, (options.fromSeq ?? 1) - 1);
    this.caughtUp = new Promise((resolve) => (this.#resolveCaughtUp = resolve));
    const { fromSeq, signal, partitions: chosen } = options;
    const onAttached = ({ pending, attachment }: AttachInfo): void => {
      if (attachment > 0) return;
      this.#backlog = pending;
      if (pending === 0) this.#reached();
    };
    const [only] = chosen ?? [];
    if (chosen?.length === 1 && only !== undefined) {
      this.#reader = new PartitionReader({ nc, feed, partition: partitionToken(only), fromSeq, signal, onAttached });
      return;
    }
    const few = chosen !== undefined && chosen.length <= Math.max(1, partitions * FEW);
    if (chosen && !few && chosen.length < partitions) this.#wanted = new Set(chosen.map(partitionToken));
    const filters =
      options.filters ?? (few ? chosen.flatMap((partition) => partitionFilters(partitionToken(partition))) : []);
    this.#reader = new OrderedReader({ nc, stream: LOG_STREAM, filters, fromSeq, signal, onAttached });
  }

  /** Events that match and were not delivered yet, as far as known; infinite before the first answer of the server. */
  get lag(): number {
    return this.#reader.lag;
  }

  /** Everything up to this sequence was delivered, was poison, or did not match: where to go on after a snapshot. */
  get position(): number {
    return this.#position;
  }

  get isCaughtUp(): boolean {
    return this.#caughtUp;
  }

  close(): void {
    this.#reader.close();
  }

  /** The next batch, never empty; undefined after `close` or an abort. */
  async next(): Promise<LogEvent<T>[] | undefined> {
    for (;;) {
      if (this.#backlog !== undefined && this.#backlog <= 0) this.#reached();
      const delivered = await this.#reader.take(this.#options.maxBatch ?? DEFAULT_BATCH);
      if (!delivered) return undefined;
      const wanted = this.#wanted;
      const kept = wanted
        ? delivered.filter(({ message }) => wanted.has(partitionOfSubject(message.subject)))
        : delivered;
      const events =
        kept.length > 0 ? await decodeBatch(kept, this.#claims, this.#options.onPoison, this.#options.writer) : [];
      this.#position = delivered.at(-1)?.delivery.seq ?? this.#position;
      if (this.#backlog !== undefined) this.#backlog -= delivered.length;
      if (events.length > 0) return events as unknown as LogEvent<T>[];
    }
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<LogEvent<T>[]> {
    try {
      for (;;) {
        const batch = await this.next();
        if (!batch) return;
        yield batch;
      }
    } finally {
      this.close();
    }
  }

  #reached(): void {
    this.#caughtUp = true;
    this.#resolveCaughtUp();
  }
}

/** Decodes what was delivered, in order. Asynchronous only where a payload has to be fetched or a message is poison. */
export async function decodeBatch(
  delivered: readonly Delivered[],
  claims: ClaimStore,
  onPoison: PoisonHandler | undefined,
  writer?: FencedWriter,
  keepNewer = false,
): Promise<StoredMessage[]> {
  const events: StoredMessage[] = [];
  for (const { message, delivery } of delivered) {
    try {
      const decoded = decodeDelivered(message, delivery.seq, delivery.time, claims, writer);
      events.push(decoded instanceof Promise ? await decoded : decoded);
    } catch (error) {
      if (!(error instanceof ContractViolation)) throw error;
      if (keepNewer && error instanceof NewerEvent) events.push(error.event);
      else await onPoison?.(reasonOf(error), poisonOf(message, delivery));
    }
  }
  return events;
}

/** One message as an event. Throws (or rejects with) {@link ContractViolation}. */
export function decodeDelivered(
  message: Msg,
  seq: number,
  time: number,
  claims: ClaimStore,
  writer?: FencedWriter,
): StoredMessage | Promise<StoredMessage> {
  const envelope = envelopeOf(message.subject, seq, time, headerBlock(message));
  if (!envelope) throw new ContractViolation(`not a subject of the log: ${message.subject}`);
  const claim = findHeader(envelope.headers, Header.claim);
  if (claim === '') return decodeEvent(envelope, message.data, writer);
  return claims.get(envelope.subject.runId, parseClaim(claim)).then((bytes) => decodeEvent(envelope, bytes));
}

export const poisonOf = (message: Msg, at: { stream: string; seq: number; time: number }): PoisonMessage => ({
  stream: at.stream,
  subject: message.subject,
  seq: at.seq,
  time: at.time,
  headers: headerBlock(message),
  data: message.data,
});
