import { setTimeout as delay } from 'node:timers/promises';
import { AckPolicy, DeliverPolicy, type ConsumerConfig } from '@nats-io/jetstream';
import { nanos, type Msg } from '@nats-io/nats-core';
import type { EventType } from '@flex/contracts';
import { ask } from './ask.js';
import { publishLater } from './coalesce-writes.js';
import { DeadLetters } from './dead-letters.js';
import { ContractViolation, reasonOf } from './errors.js';
import type { EventLog } from './event-log.js';
import { LOG_STREAM } from './names.js';
import { PullSession } from './pull-session.js';
import { retryDelay } from './retry.js';
import type { Delivery, LogEvent } from './stored-message.js';
import { decodeDelivered, poisonOf } from './tail.js';
import { processing } from './trace.js';
import { afterFailure, beforeTry, DEFAULT_BACKOFF_MS, DEFAULT_MAX_DELIVER, type Verdict } from './work-policy.js';

export interface WorkContext {
  /** 1 for the first delivery. */
  attempt: number;
  /** Aborted when the work should be given up: the service is stopping and its patience has ended. */
  signal: AbortSignal;
}

export interface WorkOptions<T extends EventType = EventType> {
  /** Name of the durable consumer; all replicas of a service share it, each message goes to one of them. */
  durable: string;
  /** Subject filters, e.g. `everySubject('plan.requested')`. They must not overlap. */
  filters: string[];
  /** Done when it resolves. A ContractViolation goes to the dead letters at once; any other error is tried again. */
  handler: (event: LogEvent<T>, context: WorkContext) => Promise<void> | void;
  /** Handlers at once. */
  concurrency?: number;
  /** Messages fetched beyond that, waiting here: raises throughput of short work, and keeps it from idle replicas. */
  prefetch?: number;
  /** After this without an ack or a sign of life another replica gets the message. Signs of life are sent meanwhile. */
  ackWaitMs?: number;
  maxDeliver?: number;
  backoffMs?: readonly number[];
  /** What a new consumer sees first: everything that is still in the log, or only what comes. */
  startAt?: 'all' | 'new';
  /** Aborting stops pulling; `finished` then waits for the handlers. */
  signal?: AbortSignal;
  /** Told about failures, for logs and metrics. */
  onFailure?: (reason: string, event: { subject: string; seq: number; attempt: number; buried: boolean }) => void;
}

const ACK = Buffer.from('+ACK');
const WORKING = Buffer.from('+WPI');
const TERM = Buffer.from('+TERM');
const DEFAULT_ACK_WAIT_MS = 30_000;

interface Job {
  message: Msg;
  delivery: Delivery;
}

/** Shares work among replicas: at least once, in parallel, with retries, dead letters and signs of life. */
export class Worker<T extends EventType = EventType> {
  readonly #log: EventLog;
  readonly #options: WorkOptions<T>;
  readonly #deadLetters: DeadLetters;
  readonly #concurrency: number;
  readonly #capacity: number;
  readonly #ackWaitMs: number;
  readonly #stopHandlers = new AbortController();
  readonly #waiting: Job[] = [];
  readonly #running = new Set<Job>();
  #session: PullSession | undefined;
  #heartbeat: NodeJS.Timeout | undefined;
  #stopping = false;
  /** Stopping, and nothing can come any more. */
  #left = false;
  #finish!: () => void;
  /** Resolves when it was stopped and the last handler has ended. */
  readonly finished: Promise<void>;
  #ready!: () => void;
  /** Resolves when the consumer exists on the server: from then on no message is missed. */
  readonly ready: Promise<void>;

  constructor(log: EventLog, options: WorkOptions<T>) {
    this.#log = log;
    this.#options = options;
    this.#deadLetters = new DeadLetters(log.nc);
    this.#concurrency = Math.max(1, options.concurrency ?? 1);
    this.#capacity = this.#concurrency + (options.prefetch ?? 0);
    this.#ackWaitMs = options.ackWaitMs ?? DEFAULT_ACK_WAIT_MS;
    this.finished = new Promise((resolve) => (this.#finish = resolve));
    this.ready = new Promise((resolve) => (this.#ready = resolve));
    options.signal?.addEventListener('abort', () => void this.stop(), { once: true });
    if (options.signal?.aborted) void this.stop();
    else void this.#attach();
  }

  /** Handlers running now. */
  get running(): number {
    return this.#running.size;
  }

  /**
   * Takes nothing new, gives back what only waits here, and resolves when the handlers have ended. After `patienceMs`
   * the handlers' signal is aborted; their messages go to another replica unless they finish.
   */
  async stop(patienceMs = Number.POSITIVE_INFINITY): Promise<void> {
    if (!this.#stopping) {
      this.#stopping = true;
      const session = this.#session;
      this.#session = undefined;
      for (const job of this.#waiting.splice(0)) respond(job.message, nak(0));
      // What the server sends until it knows is given back as it comes: see `#received`.
      await session?.leave();
      this.#left = true;
      this.#maybeFinish();
    }
    if (Number.isFinite(patienceMs)) {
      const patience = setTimeout(() => this.#stopHandlers.abort(), patienceMs);
      void this.finished.then(() => clearTimeout(patience));
    }
    return this.finished;
  }

  async #attach(): Promise<void> {
    for (let attempt = 0; !this.#stopping; attempt += 1) {
      try {
        const jsm = await this.#log.manager();
        await ask(this.#log.nc, () => jsm.consumers.add(LOG_STREAM, this.#config()));
        break;
      } catch (error) {
        if (this.#log.nc.isClosed()) return;
        this.#options.onFailure?.(reasonOf(error), { subject: this.#options.durable, seq: 0, attempt, buried: false });
        await delay(retryDelay(attempt));
      }
    }
    this.#ready();
    if (this.#stopping) return;
    const session: PullSession = new PullSession({
      nc: this.#log.nc,
      stream: LOG_STREAM,
      consumer: this.#options.durable,
      onMessage: (message, delivery) => this.#received({ message, delivery }),
      onRoom: () => this.#refill(),
      onTrouble: () => {
        if (session !== this.#session) return;
        this.#session = undefined;
        void this.#attach();
      },
    });
    this.#session = session;
    this.#refill();
  }

  #config(): Partial<ConsumerConfig> {
    const { durable, filters, startAt } = this.#options;
    return {
      durable_name: durable,
      ack_policy: AckPolicy.Explicit,
      deliver_policy: startAt === 'new' ? DeliverPolicy.New : DeliverPolicy.All,
      ack_wait: nanos(this.#ackWaitMs),
      // Counted here, not there: the server would drop the message silently after the last try.
      max_deliver: -1,
      max_ack_pending: 20_000,
      ...(filters.length === 1 ? { filter_subject: filters[0] } : { filter_subjects: filters }),
    };
  }

  #received(job: Job): void {
    if (this.#stopping) return respond(job.message, nak(0));
    if (this.#running.size < this.#concurrency) this.#start(job);
    else this.#waiting.push(job);
    this.#heartbeat ??= setInterval(() => this.#signOfLife(), Math.max(50, this.#ackWaitMs / 3)).unref();
  }

  #start(job: Job): void {
    this.#running.add(job);
    void this.#run(job).finally(() => {
      this.#running.delete(job);
      const next = this.#waiting.shift();
      if (next) this.#start(next);
      this.#refill();
      this.#maybeFinish();
    });
  }

  async #run(job: Job): Promise<void> {
    const { message, delivery } = job;
    const { maxDeliver = DEFAULT_MAX_DELIVER, backoffMs = DEFAULT_BACKOFF_MS } = this.#options;
    let verdict = beforeTry(delivery.attempt, maxDeliver);
    if (verdict.act === 'run') {
      try {
        const decoding = decodeDelivered(message, delivery.seq, delivery.time, this.#log.claims);
        const event = decoding instanceof Promise ? await decoding : decoding;
        const context = { attempt: delivery.attempt, signal: this.#stopHandlers.signal };
        await processing(event, () => this.#options.handler(event as unknown as LogEvent<T>, context));
        // Until it is there another delivery could only come after the ack wait, which is longer by far.
        publishLater(this.#log.nc, () => respond(message, ACK));
        return;
      } catch (error) {
        const failure = { violation: error instanceof ContractViolation, reason: reasonOf(error) };
        verdict = afterFailure(failure, delivery.attempt, maxDeliver, backoffMs);
        const buried = verdict.act === 'bury';
        const about = { subject: message.subject, seq: delivery.seq, attempt: delivery.attempt, buried };
        this.#options.onFailure?.(failure.reason, about);
      }
    }
    await this.#settle(job, verdict);
  }

  async #settle({ message, delivery }: Job, verdict: Verdict): Promise<void> {
    if (verdict.act === 'again') return respond(message, nak(verdict.delayMs));
    if (verdict.act === 'run') return;
    try {
      await this.#deadLetters.add(poisonOf(message, delivery), verdict.reason, this.#options.durable);
      respond(message, TERM);
    } catch {
      // It could not be put aside: it must come again rather than vanish.
      respond(message, nak(1_000));
    }
  }

  /** Asks for more in portions, so that short work does not cost a request each. */
  #refill(): void {
    const session = this.#session;
    if (!session || this.#stopping) return;
    const free = this.#capacity - this.#running.size - this.#waiting.length - session.outstanding;
    if (free >= Math.ceil(this.#capacity / 4) || session.outstanding === 0) session.pull(free);
  }

  #signOfLife(): void {
    if (this.#running.size + this.#waiting.length === 0) {
      clearInterval(this.#heartbeat);
      this.#heartbeat = undefined;
      return;
    }
    for (const { message } of [...this.#running, ...this.#waiting]) respond(message, WORKING);
  }

  #maybeFinish(): void {
    if (!this.#left || this.#running.size > 0) return;
    clearInterval(this.#heartbeat);
    this.#heartbeat = undefined;
    this.#ready();
    this.#finish();
  }
}

const nak = (delayMs: number): Uint8Array =>
  Buffer.from(delayMs > 0 ? `-NAK {"delay":${Math.round(delayMs * 1e6)}}` : '-NAK');

/** A connection that is closed cannot answer: the message comes again after its ack wait. */
function respond(message: Msg, answer: Uint8Array): void {
  try {
    message.respond(answer);
  } catch {
    // as said above
  }
}
