import { hash } from 'node:crypto';
import { partitionOf, type NewEvent, type RegistrySnapshot, type StoredEvent } from '@flex/contracts';
import { FenceLost, reasonOf, type EventLog, type FencedWriter, type LogEvent, type Tail } from '@flex/events';
import type { Logger } from '@flex/events/service';
import { decide } from './core/decide.js';
import { performerOf } from './core/performer.js';
import { nextDue } from './core/due.js';
import { evolve, initial } from './core/evolve.js';
import { indexOf, NEVER, type RunState } from './core/state.js';
import type { Settings } from './core/step.js';
import { DueTimes } from './due-times.js';
import { countDecision } from './meters.js';
import { frozen, type PostgresSnapshots } from './postgres-snapshots.js';
import type { RunEntry } from './run-entry.js';

export interface PartitionOptions {
  log: EventLog;
  logger: Logger;
  snapshots: PostgresSnapshots;
  partition: number;
  owner: string;
  settings: Settings;
  registry: (tenant: string) => RegistrySnapshot;
  /** Runs kept in memory at most, beyond those that something is under way for. */
  capacity: number;
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
  readonly #runs = new Map<string, RunEntry>();
  readonly #dirty = new Set<RunEntry>();
  readonly #due = new DueTimes();
  readonly #ended = new Set<string>();
  readonly #endedSinceSave: string[] = [];
  readonly #abort = new AbortController();
  readonly #clock: string;
  #writer: FencedWriter | undefined;
  #tail: Tail | undefined;
  #claimSeq = Number.MAX_SAFE_INTEGER;
  #seq = 0;
  #now = 0;
  /** When the scheduled wake-up comes; undefined when none is set. */
  #armed: number | undefined;
  #timers = 0;
  #savedSeq = 0;
  #failure: Error | undefined;
  #saving: Promise<void> | undefined;
  #lastSave = Date.now();
  #done: Promise<void> | undefined;
  /** Resolves when all that lay in the log was folded and decisions are being made. */
  readonly ready: Promise<void>;
  #resolveReady!: () => void;

  constructor(options: PartitionOptions) {
    this.#o = options;
    this.#clock = clockOf(options.partition, options.log.partitions);
    this.ready = new Promise((resolve) => (this.#resolveReady = resolve));
  }

  get lag(): number {
    return this.#tail?.lag ?? 0;
  }

  get size(): number {
    return this.#runs.size;
  }

  /** Runs until stopped or fenced off; rejects on faults that a fresh start may heal. */
  run(): Promise<void> {
    return (this.#done ??= this.#run().finally(() => {
      this.#abort.abort();
      this.#tail?.close();
      this.#writer?.close();
    }));
  }

  async stop(): Promise<void> {
    this.#abort.abort();
    this.#tail?.close();
    await this.#done?.catch(() => undefined);
    await this.#saving;
  }

  async #run(): Promise<void> {
    const { log, partition, owner, snapshots } = this.#o;
    const claim = await log.claimPartition(partition, owner);
    if (!claim || this.#abort.signal.aborted) return;
    this.#claimSeq = claim.seq;
    this.#writer = log.fencedWriter(claim, this.#o.window ? { window: this.#o.window } : {});
    const recovered = await snapshots.recover(partition);
    this.#seq = this.#savedSeq = recovered.seq;
    for (const state of recovered.unsettled) this.#adopt(state, state.seq).dirty = true;
    for (const [runId, due] of recovered.due) this.#due.set(runId, due);
    this.#tail = log.tail({
      partitions: [partition],
      fromSeq: recovered.seq + 1,
      signal: this.#abort.signal,
    });
    for await (const batch of this.#tail) {
      await this.#fold(batch as LogEvent[]);
      if (this.#abort.signal.aborted) return;
      if (this.#failure ?? this.#writer.lost) throw this.#failure ?? this.#writer.lost;
      // Up to its own claim an owner only folds: before that, somebody else may have decided.
      if (this.#seq < this.#claimSeq) continue;
      if (batch.some((event) => event.seq === this.#claimSeq)) {
        this.#resolveReady();
        for (const entry of this.#runs.values()) this.#dirty.add(entry);
      }
      this.#decideAll();
      this.#arm();
      this.#saveSoon();
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
        event.runId !== this.#clock &&
        !this.#runs.has(event.runId) &&
        !this.#ended.has(event.runId)
      )
        missing.add(event.runId);
    for (const event of batch) if (event.type === 'run.submitted') missing.delete(event.runId);
    if (missing.size > 0) await this.#fetch([...missing], batch[0]!.seq);
    for (const event of batch) {
      this.#seq = event.seq;
      this.#now = Math.max(this.#now, event.time);
      if (event.type === 'partition.claimed' && event.seq > this.#claimSeq)
        this.#failure ??= new FenceLost(this.#o.partition, this.#claimSeq);
      if (event.type === 'timer.fired') await this.#wake(event as StoredEvent<'timer.fired'> & LogEvent);
      else if (isOfRun(event) && event.runId !== this.#clock) this.#foldOne(event);
    }
  }

  #foldOne(event: LogEvent): void {
    let entry = this.#runs.get(event.runId);
    if (event.type === 'run.submitted') {
      if (entry || this.#ended.has(event.runId)) return;
      entry = this.#adopt(initial(event as unknown as StoredEvent<'run.submitted'>), 0);
    }
    if (!entry || event.seq <= entry.saved) return;
    const { state } = entry;
    state.chain = { head: hash('sha256', state.chain.head + event.digest(), 'hex'), count: state.chain.count + 1 };
    try {
      evolve(state, event as unknown as StoredEvent);
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
    entry.traceparent = event.traceparent ?? entry.traceparent;
    if (state.ended) return this.#forget(entry);
    this.#due.set(state.runId, state.due);
    entry.dirty = true;
    this.#dirty.add(entry);
  }

  #adopt(state: RunState, saved: number): RunEntry {
    const entry: RunEntry = { state, pending: 0, acked: 0, dirty: false, saved };
    this.#runs.set(state.runId, entry);
    return entry;
  }

  #forget(entry: RunEntry): void {
    const { runId } = entry.state;
    this.#runs.delete(runId);
    this.#dirty.delete(entry);
    this.#due.set(runId, NEVER);
    this.#ended.add(runId);
    if (entry.saved > 0) this.#endedSinceSave.push(runId);
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
      return new Map<string, RunState>();
    });
    for (const runId of runIds) {
      const state = found.get(runId) ?? (await this.#refold(runId, before));
      if (state && !state.ended) this.#adopt(state, found.has(runId) ? state.seq : 0);
      else this.#ended.add(runId);
    }
  }

  async #refold(runId: string, before: number): Promise<RunState | undefined> {
    let state: RunState | undefined;
    for await (const event of this.#o.log.readRun(runId)) {
      if (event.seq >= before) break;
      if (event.type === 'run.submitted') state ??= initial(event as unknown as StoredEvent<'run.submitted'>);
      if (!state) return undefined;
      state.chain = { head: hash('sha256', state.chain.head + event.digest(), 'hex'), count: state.chain.count + 1 };
      evolve(state, event as unknown as StoredEvent);
    }
    return state;
  }

  /** The partition's clock struck: looks at every run whose time has come. */
  async #wake(event: StoredEvent<'timer.fired'>): Promise<void> {
    if (this.#armed !== undefined && event.data.at >= this.#armed) this.#armed = undefined;
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
        ...decide(state, { now: Math.max(this.#now, state.time), registry, settings: this.#o.settings }),
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
    for (const event of events) this.#append(entry, event);
  }

  #append(entry: RunEntry, event: NewEvent): void {
    const { state } = entry;
    if (event.type === 'run.completed' || event.type === 'run.failed' || event.type === 'run.cancelled')
      event.data.chain = { ...state.chain, seq: state.seq };
    event.traceparent ??= entry.traceparent;
    entry.pending++;
    const began = performance.now();
    this.#writer!.append(event).then(
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
        this.#failure ??= error as Error;
        this.#tail?.close();
        this.#writer?.close(error as Error);
      },
    );
  }

  /** Keeps one scheduled wake-up in the log, at the earliest time that any run is due. */
  #arm(): void {
    const earliest = this.#due.earliest;
    if (earliest === undefined || (this.#armed !== undefined && this.#armed <= earliest)) return;
    this.#armed = earliest;
    const event: NewEvent = {
      type: 'timer.set',
      runId: this.#clock,
      id: `${this.#clock}:${this.#claimSeq}:${++this.#timers}`,
      data: { at: earliest },
    };
    this.#writer!.append(event).catch((error: unknown) => {
      if (this.#abort.signal.aborted || error instanceof FenceLost) return;
      this.#armed = undefined;
      this.#o.logger.warn({ reason: reasonOf(error) }, 'a timer could not be set');
    });
  }

  #saveSoon(): void {
    if (this.#saving || Date.now() - this.#lastSave < this.#o.snapshotEveryMs) return;
    this.#saving = this.save()
      .catch((error: unknown) => this.#o.logger.warn({ reason: reasonOf(error) }, 'snapshots were not saved'))
      .finally(() => {
        this.#lastSave = Date.now();
        this.#saving = undefined;
      });
  }

  /** Saves every run that changed since it was saved last, and lets go of the ones that nothing happens to. */
  async save(): Promise<void> {
    const seq = this.#seq;
    if (seq === this.#savedSeq) return;
    const changed = [...this.#runs.values()].filter((entry) => entry.state.seq > entry.saved);
    const ended = this.#endedSinceSave.splice(0);
    const saved = changed.map((entry) => ({ entry, seq: entry.state.seq }));
    // Taken at once: what is folded while Postgres works belongs to the next snapshot.
    const rows = changed.map((entry) => frozen(entry.state, isSettled(entry)));
    await this.#o.snapshots.save(this.#o.partition, seq, rows, ended);
    this.#savedSeq = seq;
    for (const one of saved) one.entry.saved = one.seq;
    this.#evict();
  }

  #evict(): void {
    let excess = this.#runs.size - this.#o.capacity;
    for (const [runId, entry] of this.#runs) {
      if (excess <= 0) return;
      if (!isSettled(entry) || entry.saved < entry.state.seq) continue;
      this.#runs.delete(runId);
      excess--;
    }
  }
}

const isOfRun = (event: LogEvent): boolean =>
  event.runId !== '' && event.type !== 'timer.set' && event.type !== 'timer.fired';
const isSettled = (entry: RunEntry): boolean => entry.pending === 0 && !entry.dirty && entry.acked <= entry.state.seq;

/** A run id of the partition's own, under which its timer lies. */
export function clockOf(partition: number, partitions: number): string {
  for (let i = 0; ; i++)
    if (partitionOf(`clock-${partition}-${i}`, partitions) === partition) return `clock-${partition}-${i}`;
}

/** Says once that capabilities which waiting nodes need are out of service. */
function lostCapabilities(state: RunState, registry: RegistrySnapshot): NewEvent[] {
  if (!state.plan || state.ended) return [];
  const lost = new Map<string, string[]>();
  for (const node of indexOf(state.plan).nodes.values()) {
    const capabilityId = performerOf(node);
    if (!capabilityId || node.agentType === 'human' || state.excluded.includes(capabilityId)) continue;
    if (state.nodes.get(node.id)?.status !== 'pending') continue;
    const registered = registry.capabilities.get(capabilityId);
    if (registered && registered.status === 'active') continue;
    lost.set(capabilityId, [...(lost.get(capabilityId) ?? []), node.id]);
  }
  return [...lost].map(([capabilityId, nodes]) => ({
    type: 'run.capability_lost',
    runId: state.runId,
    id: `${state.runId}:lost:${capabilityId}:${state.plan!.version}`,
    data: { capabilityId, nodes },
  }));
}
