import {
  parseSubject,
  reasonOf,
  decodeDelivered,
  isConnected,
  LOG_STREAM,
  OrderedReader,
  type Delivered,
  type EventLog,
} from '@flex/events';
import type { StoredEvent } from '@flex/contracts';
import type { Logger } from '@flex/events/service';
import { assertConnected } from '../runs/log-desk.js';
import type { RunHistory } from './run-history.js';
import { RunHub } from './run-hub.js';
import type { RunIndex } from './run-index.js';

/** Sees every message of the log while it is attached; for streams over many runs. */
export interface LogObserver {
  /** `decode` costs; call it only for what is needed. */
  onMessage(type: string, runId: string, seq: number, decode: () => Decoded): void;
}

/** Asynchronous only where the payload lies in the object store. */
export type Decoded = StoredEvent | undefined | Promise<StoredEvent | undefined>;

/**
 * Frames gather this long while the log is busy: one wake-up for many of them, here, at the server and at the client.
 * With many runs on the move it is one picture of a screen; what somebody waits for does not wait for it.
 */
const PACE_MS = 4;
const BUSY_PACE_MS = 16;
/** More runs than this in one look are many. */
const FEW_RUNS = 4;
/** Events that somebody waits for: they are shown at once. */
const URGENT = ['run.completed', 'run.failed', 'run.cancelled', 'run.paused', 'hitl.requested'] as const;

/** A run that nobody watches keeps its hub this long, for clients that reconnect. */
const HUB_LINGER_MS = 10_000;
/** An ended run costs memory only; the oldest go when there are more bytes than this. */
const ENDED_BYTES = 64 * 1024 * 1024;

/**
 * The runs that are watched on this replica, fed by one reader of the log. Of messages of runs that nobody watches only
 * the place is kept, by a look at their subject ({@link RunIndex}).
 */
export class RunFeeds {
  readonly #hubs = new Map<string, RunHub>();
  readonly #observers = new Set<LogObserver>();
  readonly #sweep: NodeJS.Timeout;
  #reader: OrderedReader | undefined;
  #starting: Promise<void> | undefined;
  #pace = PACE_MS;

  constructor(
    private readonly log: EventLog,
    private readonly history: RunHistory,
    private readonly index: RunIndex,
    private readonly logger: Logger,
  ) {
    this.index.hurry = () => this.#reader?.hurry();
    this.#sweep = setInterval(() => this.#clean(performance.now()), 5_000);
    this.#sweep.unref();
    // As published, besides the log: no more than a hint that the log is worth a look now.
    for (const type of URGENT)
      log.nc.subscribe(`${type}.>`, {
        callback: (error, message) => {
          const runId = error ? undefined : parseSubject(message.subject)?.runId;
          if (runId !== undefined && this.#hubs.get(runId)?.watchers) this.#reader?.hurry();
        },
      });
  }

  close(): void {
    clearInterval(this.#sweep);
    const reader = this.#reader;
    this.#reader = undefined;
    reader?.close();
  }

  /** A hub that is already fed on this replica, if any. */
  peek(runId: string): RunHub | undefined {
    const hub = this.#hubs.get(runId);
    if (!hub?.live || hub.failure) return undefined;
    if (hub.watchers === 0) hub.idleSince = performance.now();
    return hub;
  }

  /** The hub of a stored run, with its history loaded. It may turn out that the run is not known. */
  async open(runId: string): Promise<RunHub> {
    let hub = this.#hubs.get(runId);
    if (hub && !hub.failure) {
      if (!hub.live) await this.#loading.get(hub);
      return hub;
    }
    hub = new RunHub(runId);
    hub.idleSince = performance.now();
    this.#hubs.set(runId, hub);
    const loading = this.#load(hub);
    this.#loading.set(hub, loading);
    await loading;
    return hub;
  }
  readonly #loading = new WeakMap<RunHub, Promise<void>>();

  /** The hub of a run that is about to be submitted: nothing of it can be stored yet. */
  async openNew(runId: string): Promise<RunHub> {
    await this.attach();
    return this.adopt(runId);
  }

  /** The hub of a run whose first event is just being delivered. The feed must be attached. */
  adopt(runId: string): RunHub {
    const present = this.#hubs.get(runId);
    if (present) return present;
    const hub = new RunHub(runId);
    hub.begin();
    hub.idleSince = performance.now();
    this.#hubs.set(runId, hub);
    return hub;
  }

  forget(runId: string): void {
    this.#hubs.delete(runId);
  }

  /** Resolves when every message appended from now on will be seen. Returns the sequence from which that holds. */
  async attach(): Promise<void> {
    if (this.#reader) return;
    this.#starting ??= this.#start().finally(() => (this.#starting = undefined));
    await this.#starting;
  }

  observe(observer: LogObserver): () => void {
    this.#observers.add(observer);
    return () => this.#observers.delete(observer);
  }

  async #load(hub: RunHub): Promise<void> {
    try {
      await this.attach();
      await hub.load(this.history.read(hub.runId));
      if (!hub.known) this.#hubs.delete(hub.runId);
    } catch (error) {
      this.#hubs.delete(hub.runId);
      if (!hub.failure) hub.fail(error as Error);
      throw error;
    }
  }

  async #start(): Promise<void> {
    assertConnected(this.log);
    const position = await this.log.lastSeq();
    const fromSeq = position + 1;
    const reader = new OrderedReader({ nc: this.log.nc, stream: LOG_STREAM, fromSeq, paceMs: () => this.#pace });
    this.#reader = reader;
    this.index.attach(position);
    void this.#follow(reader);
  }

  async #follow(reader: OrderedReader): Promise<void> {
    try {
      for await (const batch of reader) await this.#deliver(batch);
    } catch (error) {
      this.logger.error({ reason: reasonOf(error) }, 'the live feed ended');
    }
    if (this.#reader !== reader) return;
    this.index.detach();
    // Without its feed a hub would silently miss events: everybody has to start again from history.
    this.#reader = undefined;
    for (const hub of this.#hubs.values()) hub.fail(new Error('the live feed ended'));
    this.#hubs.clear();
    if (isConnected(this.log.nc)) void this.attach().catch(() => undefined);
  }

  async #deliver(batch: readonly Delivered[]): Promise<void> {
    const touched = new Set<RunHub>();
    for (const { message, delivery } of batch) {
      const subject = parseSubject(message.subject);
      if (!subject) continue;
      this.index.saw(subject.type, subject.runId, delivery.seq);
      const decode = (): Decoded => this.#decode(message, delivery);
      for (const observer of this.#observers) observer.onMessage(subject.type, subject.runId, delivery.seq, decode);
      const hub = this.#hubs.get(subject.runId);
      if (!hub) continue;
      const decoded = this.#decode(message, delivery);
      const event = decoded instanceof Promise ? await decoded : decoded;
      if (!event) continue;
      if (event.type === 'run.deleted') {
        this.#hubs.delete(subject.runId);
        hub.fail(new Error('the run was deleted'));
        continue;
      }
      try {
        hub.push(event);
        touched.add(hub);
      } catch (error) {
        // One run that cannot be shown must not end the streams of all others.
        this.logger.error({ runId: hub.runId, seq: delivery.seq, reason: reasonOf(error) }, 'a run cannot be shown');
        this.#hubs.delete(hub.runId);
        hub.fail(error as Error);
      }
    }
    this.#pace = touched.size > FEW_RUNS ? BUSY_PACE_MS : PACE_MS;
    for (const hub of touched) hub.flush();
    const last = batch.at(-1);
    if (last) this.index.advance(last.delivery.seq);
  }

  /** Undefined for a message that breaks its contract; the orchestrator puts it aside with its reason. */
  #decode(message: Delivered['message'], delivery: Delivered['delivery']): Decoded {
    const skip = (error: unknown): undefined => {
      this.logger.warn(
        { seq: delivery.seq, subject: message.subject, reason: reasonOf(error) },
        'unreadable message skipped',
      );
    };
    try {
      const decoded = decodeDelivered(message, delivery.seq, delivery.time, this.log.claims);
      return (decoded instanceof Promise ? decoded.catch(skip) : decoded) as unknown as Decoded;
    } catch (error) {
      return skip(error);
    }
  }

  #clean(now: number): void {
    let ended = 0;
    for (const [runId, hub] of [...this.#hubs].reverse()) {
      if (hub.watchers > 0) continue;
      if (hub.ended && (ended += hub.bytes) <= ENDED_BYTES && now - (hub.idleSince ?? now) < 60_000) continue;
      if (hub.live && now - (hub.idleSince ?? now) >= HUB_LINGER_MS) this.#hubs.delete(runId);
    }
  }
}
