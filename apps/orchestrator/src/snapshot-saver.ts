import { FenceLost, reasonOf, type PartitionClaim } from '@flex/events';
import type { Logger } from '@flex/events/service';
import { frozen, type PostgresSnapshots } from './postgres-snapshots.js';
import { isSettled, type ResidentRuns } from './resident-runs.js';
import type { RunEntry } from './run-entry.js';

export interface SnapshotSaverOptions {
  snapshots: PostgresSnapshots;
  runs: ResidentRuns;
  claim: PartitionClaim;
  logger: Logger;
  /** The sequence up to which Postgres has everything. */
  savedSeq: number;
  /** The sequence up to which the partition is folded. */
  seq: () => number;
  /** Somebody else owns the partition. */
  onLost: (error: FenceLost) => void;
}

/** Brings what one owner has folded into Postgres now and then, so that the next one need not read the whole log. */
export class SnapshotSaver {
  readonly #o: SnapshotSaverOptions;
  /** Ended runs that Postgres may still hold a snapshot of: left there, they would come back to life after a restart. */
  #ended: string[] = [];
  #savedSeq: number;
  #saving: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: SnapshotSaverOptions) {
    this.#o = options;
    this.#savedSeq = options.savedSeq;
  }

  start(everyMs: number): void {
    this.#timer = setInterval(() => this.#soon(), everyMs);
  }

  /** Begins nothing more; resolves when what is under way is done. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.#saving;
  }

  ended({ state, stored }: RunEntry): void {
    if (stored) this.#ended.push(state.runId);
  }

  /** Saves every run that changed since it was saved last, and lets go of the ones that nothing happens to. */
  async save(): Promise<void> {
    const { snapshots, runs, claim } = this.#o;
    const seq = this.#o.seq();
    if (seq === this.#savedSeq) return runs.evict();
    const changed = [...runs.values()].filter((entry) => entry.state.seq > entry.saved);
    const ended = this.#ended;
    const seqs = changed.map((entry) => entry.state.seq);
    // Taken at once: what is folded while Postgres works belongs to the next snapshot.
    const rows = changed.map((entry) => frozen(entry.state, isSettled(entry)));
    this.#ended = [];
    for (const entry of changed) entry.stored = true;
    try {
      await snapshots.save(claim, seq, rows, ended);
    } catch (error) {
      this.#ended.unshift(...ended);
      throw error;
    }
    this.#savedSeq = seq;
    changed.forEach((entry, at) => {
      entry.saved = seqs[at]!;
      runs.weigh(entry, rows[at]!.state.length);
    });
    runs.evict();
  }

  #soon(): void {
    this.#saving ??= this.save()
      .catch((error: unknown) => {
        if (error instanceof FenceLost) this.#o.onLost(error);
        else this.#o.logger.warn({ reason: reasonOf(error) }, 'snapshots were not saved');
      })
      .finally(() => (this.#saving = undefined));
  }
}
