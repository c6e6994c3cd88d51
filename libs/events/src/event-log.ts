import { jetstreamManager, type JetStreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/nats-core';
import {
  claimSubject,
  partitionOf,
  partitionToken,
  type EventType,
  type NewEvent,
  type ServiceName,
} from '@flex/contracts';
import type { PubAck } from './ack-mux.js';
import { ClaimStore } from './claim-store.js';
import { DeadLetters } from './dead-letters.js';
import { EventEncoder, headersOf, type AppendOptions, type Encoded } from './encode-event.js';
import { ask } from './ask.js';
import { AppendRefused, isOvertaken, LogUnavailable, reasonOf } from './errors.js';
import { FencedWriter, type PartitionClaim } from './fenced-writer.js';
import { Header, type HeaderBlock } from './headers.js';
import { LOG_STREAM } from './names.js';
import { publishUntilStored } from './publish.js';
import { purgeRun } from './purge-run.js';
import { readMessages } from './read-messages.js';
import { readRun, type RunReading } from './read-run.js';
import { readLogShape, type LogShape } from './streams.js';
import { sending } from './trace.js';
import { SharedFeed } from './shared-feed.js';
import { Tail, type PoisonHandler, type TailOptions } from './tail.js';
import type { LogEvent } from './stored-message.js';
import { Worker, type WorkOptions } from './work.js';

export interface EventLogOptions {
  nc: NatsConnection;
  /** Who appends: becomes `ce-source`. */
  source: ServiceName;
  /** What `ensureStreams` returned; asked from the server when left out. */
  shape?: LogShape;
}

const NO_MESSAGE = 10037;

/** Opens the log that {@link ensureStreams} made. */
export async function openEventLog(options: EventLogOptions): Promise<EventLog> {
  return new EventLog(options.nc, options.source, options.shape ?? (await readLogShape(options.nc)));
}

/** The log of all runs: append, read, tail, claim a partition. */
export class EventLog {
  readonly encoder: EventEncoder;
  readonly claims: ClaimStore;
  readonly deadLetters: DeadLetters;
  /** The log as it grows, for the partitions that this process owns. */
  readonly feed: SharedFeed;
  #jsm: Promise<JetStreamManager> | undefined;

  constructor(
    readonly nc: NatsConnection,
    readonly source: ServiceName,
    readonly shape: LogShape,
  ) {
    this.claims = new ClaimStore(nc);
    this.deadLetters = new DeadLetters(nc);
    this.feed = new SharedFeed(nc, shape.partitions, () => this.lastSeq());
    this.encoder = new EventEncoder(source, shape.partitions, this.claims);
  }

  get partitions(): number {
    return this.shape.partitions;
  }

  partitionOf(runId: string): number {
    return partitionOf(runId, this.partitions);
  }

  /**
   * Appends one event and resolves when the log has it. Idempotent by the event's id for two minutes (see
   * DEDUPE_WINDOW_MS); a repeat after that is a second event, which the state must be able to ignore. Only
   * `run.submitted` is one for ever. Rejects with ContractViolation, AppendRefused, or LogUnavailable after a minute without an answer.
   *
   * `timer.set` sets the run's one timer, in place of one set before: `timer.fired` is appended by the server at that
   * time (up to a quarter of a second late), once, also after restarts. The log keeps a `timer.set` only until then, so
   * it is no history; and its id must be new each time, or the server takes it for a repeat.
   */
  append(event: NewEvent, options?: AppendOptions): Promise<PubAck> {
    return sending(event, (traced) => this.#append(traced, options));
  }

  async #append(event: NewEvent, options?: AppendOptions): Promise<PubAck> {
    const encoding = this.encoder.encode(event, undefined, options);
    const encoded = encoding instanceof Promise ? await encoding : encoding;
    const headers = headersOf(encoded);
    if (options?.thread) {
      headers.add(Header.expectedSeq, String(options.thread.seq)).add(Header.expectedSubject, options.thread.subject);
    } else if (event.type === 'run.submitted') return this.#appendOnce(encoded, headers);
    return publishUntilStored(this.nc, encoded.subject, headers, encoded.data);
  }

  /** The first event of its subject for ever: however late a repeat arrives, a run does not begin twice. */
  async #appendOnce({ subject, data }: Encoded, headers: HeaderBlock): Promise<PubAck> {
    try {
      return await publishUntilStored(this.nc, subject, headers.add(Header.expectedSeq, '0'), data);
    } catch (error) {
      if (!isOvertaken(error)) throw error;
      return { seq: await this.lastSeq(subject), duplicate: true };
    }
  }

  /**
   * Appends one event on the condition that `claim` is still its partition's last one; rejects with FenceLost
   * otherwise. For more than a few events use {@link fencedWriter}, which keeps them in order and in flight together.
   */
  async appendFenced(event: NewEvent, claim: PartitionClaim): Promise<PubAck> {
    return this.fencedWriter(claim, { window: 1 }).append(event);
  }

  /**
   * The writer of a partition's owner. Window: 16 for a log of one replica, 1 for a replicated one. `echoed`: the owner
   * tells the writer what it reads, and no acks are asked for where the window allows it.
   */
  fencedWriter(claim: PartitionClaim, options: { window?: number; echoed?: boolean } = {}): FencedWriter {
    const window = options.window ?? (this.shape.replicas > 1 ? 1 : 16);
    return new FencedWriter({
      nc: this.nc,
      encoder: this.encoder,
      claim,
      window,
      echoed: options.echoed === true && window > 1,
      lastClaim: () => this.lastSeq(claim.subject),
    });
  }

  /**
   * Takes a partition: appends `partition.claimed` on the condition that the claim before it is the one seen now. From
   * then on the server refuses whatever an owner before still sends. Undefined when somebody else was faster.
   */
  async claimPartition(partition: number, owner: string): Promise<PartitionClaim | undefined> {
    const subject = claimSubject(partition);
    const previous = await this.lastSeq(subject);
    const id = `partition.claimed.${partitionToken(partition)}.${previous}.${owner}`;
    const event = {
      type: 'partition.claimed',
      runId: '',
      id,
      data: { owner, previous },
    } as NewEvent<'partition.claimed'>;
    const encoded = await this.encoder.encode(event, subject);
    const headers = headersOf(encoded).add(Header.expectedSeq, String(previous));
    try {
      const { seq } = await publishUntilStored(this.nc, subject, headers, encoded.data);
      return { partition, subject, seq };
    } catch (error) {
      if (error instanceof AppendRefused) return undefined;
      throw error;
    }
  }

  /** The sequence of the last message under a subject (wildcards allowed), 0 when there is none. Asks the leader. */
  async lastSeq(subject = '>'): Promise<number> {
    const jsm = await this.manager();
    if (subject === '>') return (await ask(this.nc, () => jsm.streams.info(LOG_STREAM))).state.last_seq;
    try {
      const message = await ask(this.nc, () => jsm.streams.getMessage(LOG_STREAM, { last_by_subj: subject }));
      return message?.seq ?? 0;
    } catch (error) {
      if ((error as { code?: number }).code === NO_MESSAGE) return 0;
      throw new LogUnavailable(`cannot read the last sequence of ${subject}: ${reasonOf(error)}`, { cause: error });
    }
  }

  /**
   * Everything as it is appended, from a sequence on, in batches; never ends by itself. What breaks its contract goes
   * to the dead letters, unless `onPoison` does something else with it, and is skipped.
   */
  tail<T extends EventType = EventType>(options: TailOptions = {}): Tail<T> {
    return new Tail<T>(this, { onPoison: this.#bury, ...options });
  }

  /** The events of one run that are in the log now, in order. Poison as in {@link tail}. */
  readRun(runId: string, options: RunReading = {}): AsyncIterable<LogEvent> {
    return readRun(this, runId, { onPoison: this.#bury, ...options });
  }

  /**
   * The events at these sequences, whose cost does not grow with the log as that of {@link readRun} does; undefined when
   * one of them is not there. Poison as in {@link tail}.
   */
  readMessages(seqs: readonly number[], options: Pick<RunReading, 'keepNewer'> = {}): Promise<LogEvent[] | undefined> {
    return readMessages(this, seqs, { onPoison: this.#bury, ...options });
  }

  /** Removes all events of a run, its timer and its large payloads from the hot log: after it was archived. With `before` only up to there. */
  purgeRun(runId: string, before?: number): Promise<number> {
    return purgeRun(this, runId, before);
  }

  /** Shares the events of some subjects among the replicas of a service, at least once each. */
  work<T extends EventType = EventType>(options: WorkOptions<T>): Worker<T> {
    return new Worker<T>(this, options);
  }

  readonly #bury: PoisonHandler = async (reason, message) => {
    await this.deadLetters.add(message, reason, this.source);
  };

  manager(): Promise<JetStreamManager> {
    this.#jsm ??= jetstreamManager(this.nc, { checkAPI: false, timeout: 10_000 });
    return this.#jsm;
  }
}
