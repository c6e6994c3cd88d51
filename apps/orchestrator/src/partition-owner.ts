import type { NewEvent, RegistrySnapshot, StoredEvent } from '@flex/contracts';
import { FenceLost, reasonOf, sending, type EventLog, type FencedWriter, type LogEvent, type Tail } from '@flex/events';
import type { Logger } from '@flex/events/service';
import { decide } from './core/decide.js';
import { outcomesOf } from './core/outcomes.js';
import { nextDue } from './core/due.js';
import { initial } from './core/evolve.js';
import { lostCapabilities } from './core/lost-capabilities.js';
import { NEVER } from './core/state.js';
import type { Settings } from './core/step.js';
import { DueTimes } from './due-times.js';
import { digestOf, fold, refold } from './fold-run.js';
import type { OutcomeReports } from './outcome-reports.js';
import { countDecision, countEvent } from './meters.js';
import { clockOf, PartitionClock } from './partition-clock.js';
import { type LoadedRun, type PostgresSnapshots } from './postgres-snapshots.js';
import { ResidentRuns, type RunMemory } from './resident-runs.js';
import type { RunEntry } from './run-entry.js';
import type { ServedTogether } from './served-together.js';
import { SnapshotSaver } from './snapshot-saver.js';

export interface PartitionOptions {
  log: EventLog;
  logger: Logger;
  snapshots: PostgresSnapshots;
  partition: number;
  owner: string;
  settings: Settings;
  registry: (tenant: string) => RegistrySnapshot;
  /** Resolves when that registry is as new as a revision; undefined when it is. */
  abreast: (revision: number) => Promise<void> | undefined;
  /** Which capabilities one worker process serves. */
  together: ServedTogether;
  /** Where it is told how calls of capabilities ended. */
  outcomes: OutcomeReports;
  /** Shared by all partitions of a process: when it is full, runs that nothing is under way for are let go. */
  memory: RunMemory;
  snapshotEveryMs: number;
  /** Appends in flight at once; by default what the log's replication allows. */
  window?: number;
}

/** Ended runs remembered, so that late words about them need no look into the log. */
const REMEMBERED = 20_000;

/**
 * Owns one partition: claims it, folds its part of the log in order, decides, and appends under its claim. The claim
 * makes it safe; ending (`stop`, or the loss of the claim) needs no ceremony.
 */
export class PartitionOwner {
  readonly #o: PartitionOptions;
  readonly #runs: ResidentRuns;
  readonly #dirty = new Set<RunEntry>();
  readonly #due = new DueTimes();
  readonly #ended = new Set<string>();
  readonly #abort = new AbortController();
  readonly #clockId: string;
  #clock: PartitionClock | undefined;
  #writer: FencedWriter | undefined;
  #tail: Tail | undefined;
  #claimSeq = Number.MAX_SAFE_INTEGER;
  #seq = 0;
  #now = 0;
  #failure: Error | undefined;
  #saver: SnapshotSaver | undefined;
  #done: Promise<void> | undefined;
  /** Resolves when all that lay in the log was folded and decisions are being made. */
  readonly ready: Promise<void>;
  #resolveReady!: () => void;

  constructor(options: PartitionOptions) {
    this.#o = options;
    this.#runs = new ResidentRuns(options.memory);
    this.#clockId = clockOf(options.partition, options.log.partitions);
    this.ready = new Promise((resolve) => (this.#resolveReady = resolve));
  }

  get lag(): number {
    return this.#tail?.lag ?? 0;
  }

  /** Place of the last event that was folded. */
  get seq(): number {
    return this.#seq;
  }

  get size(): number {
    return this.#runs.size;
  }

  /** Runs until stopped or fenced off; rejects on faults that a fresh start may heal. */
  run(): Promise<void> {
    return (this.#done ??= this.#run().finally(() => {
      this.#abort.abort();
      void this.#saver?.stop();
      this.#tail?.close();
      this.#writer?.close();
      this.#runs.end();
    }));
  }

  async stop(): Promise<void> {
    this.#abort.abort();
    this.#tail?.close();
    await this.#done?.catch(() => undefined);
    await this.#saver?.stop();
  }

  async #run(): Promise<void> {
    const { log, partition, owner, snapshots, snapshotEveryMs } = this.#o;
    const claim = await log.claimPartition(partition, owner);
    if (!claim || this.#abort.signal.aborted) return;
    this.#claimSeq = claim.seq;
    this.#writer = log.fencedWriter(claim, { window: this.#o.window, echoed: true });
    this.#clock = new PartitionClock(this.#clockId, this.#writer, this.#o.logger);
    const recovered = await snapshots.recover(claim, await log.lastSeq());
    this.#seq = recovered.seq;
    this.#saver = new SnapshotSaver({
      snapshots,
      runs: this.#runs,
      claim,
      logger: this.#o.logger,
      savedSeq: recovered.seq,
      seq: () => this.#seq,
      onLost: (error) => this.#end(error),
    });
    for (const run of recovered.unsettled) this.#runs.adopt(run.state, run.state.seq, run.bytes).dirty = true;
    for (const [runId, due] of recovered.due) this.#due.set(runId, due);
    this.#tail = log.tail({
      partitions: [partition],
      fromSeq: recovered.seq + 1,
      signal: this.#abort.signal,
      writer: this.#writer,
    });
    for await (const batch of this.#tail) {
      await this.#runs.holding(() => this.#fold(batch as LogEvent[]));
      if (this.#abort.signal.aborted) return;
      if (this.#failure ?? this.#writer.lost) throw this.#failure ?? this.#writer.lost;
      // Up to its own claim an owner only folds: before that, somebody else may have decided.
      if (this.#seq < this.#claimSeq) continue;
      if (batch.some((event) => event.seq === this.#claimSeq)) {
        this.#resolveReady();
        // Not at once: those who wait for decisions come first.
        this.#saver.start(snapshotEveryMs);
        for (const entry of this.#runs.values()) this.#dirty.add(entry);
      }
      this.#decideAll();
    }
    if (this.#failure && !this.#abort.signal.aborted) throw this.#failure;
  }

  /** Folds a batch; runs that are not in memory are fetched first, in one query. */
  async #fold(batch: LogEvent[]): Promise<void> {
    const missing = new Set<string>();
    for (const event of batch)
      if (
        event.type !== 'run.submitted' &&
        isOfRun(event) &&
        event.runId !== this.#clockId &&
        !this.#runs.has(event.runId) &&
        !this.#ended.has(event.runId)
      )
        missing.add(event.runId);
    let revision = 0;
    for (const event of batch) {
      if (event.type !== 'run.submitted') continue;
      missing.delete(event.runId);
      revision = Math.max(revision, (event as LogEvent<'run.submitted'>).data.registryRevision ?? 0);
    }
    const registry = this.#o.abreast(revision);
    if (registry) await registry;
    if (missing.size > 0) await this.#fetch([...missing], batch[0]!.seq);
    for (const event of batch) {
      this.#seq = event.seq;
      this.#now = Math.max(this.#now, event.time);
      this.#writer!.arrived(event.id, event.seq);
      if (event.type === 'partition.claimed' && event.seq > this.#claimSeq)
        this.#failure ??= new FenceLost(this.#o.partition, this.#claimSeq);
      if (event.type === 'timer.fired') await this.#wake(event as StoredEvent<'timer.fired'> & LogEvent);
      else if (isOfRun(event) && event.runId !== this.#clockId) this.#foldOne(event);
    }
  }

  #foldOne(event: LogEvent): void {
    let entry = this.#runs.get(event.runId);
    if (event.type === 'run.submitted' && !entry && !this.#ended.has(event.runId)) {
      entry = this.#runs.adopt(initial(event as unknown as StoredEvent<'run.submitted'>), 0);
      entry.stored = false;
    }
    if (!entry || event.seq <= entry.saved) return;
    const { state } = entry;
    if (event.type === 'node.reported')
      this.#o.together.note((event as LogEvent<'node.reported'>).data.worker, event.key);
    if (event.seq > this.#claimSeq) countEvent(state, event as unknown as StoredEvent);
    try {
      fold(state, event);
    } catch (error) {
      // What cannot be folded stops its own run, loudly, and no other: nothing is decided on a state that is not right.
      this.#o.logger.error(
        {
          runId: state.runId,
          seq: event.seq,
          type: event.type,
          reason: reasonOf(error),
          stack: (error as Error).stack,
        },
        'a run cannot be folded and stands still',
      );
      return this.#forget(entry);
    }
    if (state.ended) return this.#forget(entry);
    this.#due.set(state.runId, state.due);
    entry.dirty = true;
    this.#dirty.add(entry);
  }

  #forget(entry: RunEntry): void {
    const { runId } = entry.state;
    this.#runs.release(entry);
    this.#dirty.delete(entry);
    this.#due.set(runId, NEVER);
    this.#ended.add(runId);
    this.#saver?.ended(entry);
    if (this.#ended.size > REMEMBERED)
      for (const first of this.#ended) {
        this.#ended.delete(first);
        break;
      }
  }

  /** Brings runs back into memory: from their snapshots, or where these are gone, from the log up to `before`. */
  async #fetch(runIds: string[], before: number): Promise<void> {
    const found = await this.#o.snapshots.load(runIds).catch((error: unknown) => {
      this.#o.logger.warn({ reason: reasonOf(error) }, 'snapshots cannot be read, folding from the log');
      return new Map<string, LoadedRun>();
    });
    for (const runId of runIds) {
      const stored = found.get(runId);
      const state = stored?.state ?? (await refold(this.#o.log, runId, before));
      if (state && !state.ended) this.#runs.adopt(state, stored ? state.seq : 0, stored?.bytes);
      else this.#ended.add(runId);
    }
  }

  /** The partition's clock struck: looks at every run whose time has come. */
  async #wake(event: StoredEvent<'timer.fired'>): Promise<void> {
    this.#clock?.struck(event.data.at);
    await this.#takeDue();
  }

  async #takeDue(): Promise<void> {
    const due = this.#due.take(this.#now);
    const missing = due.filter((runId) => !this.#runs.has(runId) && !this.#ended.has(runId));
    if (missing.length > 0) await this.#fetch(missing, this.#seq + 1);
    for (const runId of due) {
      const entry = this.#runs.get(runId);
      if (!entry) continue;
      entry.dirty = true;
      this.#dirty.add(entry);
    }
  }

  /** A capability went away: runs that may still need it are looked at. */
  recheck(): void {
    for (const entry of this.#runs.values()) {
      entry.dirty = true;
      this.#dirty.add(entry);
    }
    if (this.#seq >= this.#claimSeq) this.#decideAll();
  }

  #decideAll(): void {
    for (const entry of this.#dirty) {
      // What was appended for the run has to come back first: deciding on an older state would decide twice.
      if (entry.pending > 0 || entry.acked > entry.state.seq) continue;
      this.#dirty.delete(entry);
      if (!entry.dirty) continue;
      entry.dirty = false;
      this.#decide(entry);
    }
    this.#clock?.arm(this.#due.earliest);
  }

  #decide(entry: RunEntry): void {
    const { state } = entry;
    const registry = this.#o.registry(state.tenant);
    let events: NewEvent[];
    try {
      const lost = entry.revision === registry.revision ? [] : lostCapabilities(state, registry);
      entry.revision = registry.revision;
      events = [
        ...lost,
        ...decide(state, {
          now: Math.max(this.#now, state.time),
          registry,
          settings: this.#o.settings,
          together: this.#o.together.has,
        }),
      ];
    } catch (error) {
      // A fault of ours must not take the other runs down with it: this one stands still, loudly.
      this.#o.logger.error(
        { runId: state.runId, seq: state.seq, reason: reasonOf(error), stack: (error as Error).stack },
        'a decision failed',
      );
      return;
    }
    if (this.#now >= state.due) state.due = nextDue(state, this.#now);
    this.#due.set(state.runId, state.due);
    for (const { key, succeeded } of outcomesOf(state, events)) this.#o.outcomes.add(key, succeeded);
    for (const event of events) this.#append(entry, event);
  }

  #append(entry: RunEntry, event: NewEvent): void {
    const { state } = entry;
    if (event.type === 'run.completed' || event.type === 'run.failed' || event.type === 'run.cancelled')
      event.data.chain = { ...state.chain, seq: state.seq, own: digestOf(event) };
    event.traceparent ??= state.traceparent;
    entry.pending++;
    const began = performance.now();
    sending(event, (traced) => this.#writer!.append(traced)).then(
      (ack) => {
        countDecision(event.type, began);
        entry.pending--;
        entry.acked = Math.max(entry.acked, ack.seq);
        if (entry.pending === 0 && entry.acked <= state.seq && entry.dirty) this.#decideAll();
      },
      (error: unknown) => {
        entry.pending--;
        if (this.#abort.signal.aborted) return;
        // Fenced off, or the log did not answer: the loop ends, and whoever owns the partition next decides again.
        if (!(error instanceof FenceLost))
          this.#o.logger.warn({ runId: state.runId, type: event.type, reason: reasonOf(error) }, 'append failed');
        this.#end(error as Error);
      },
    );
  }

  /** What was lost here, somebody else has, or a fresh start brings back. */
  #end(error: Error): void {
    this.#failure ??= error;
    this.#tail?.close();
    this.#writer?.close(error);
  }

  /** Saves what changed, as it does by itself now and then. */
  async save(): Promise<void> {
    await this.#saver?.save();
  }
}

const isOfRun = (event: LogEvent): boolean =>
  event.runId !== '' && event.type !== 'timer.set' && event.type !== 'timer.fired';
