import type { RunState } from './core/state.js';
import type { RunEntry } from './run-entry.js';

/**
 * What the runs that one orchestrator keeps in memory weigh, over all its partitions: by the size of their stored form,
 * of which memory takes about twice as much. Runs that were never saved weigh nothing yet: the next save weighs them.
 */
export class RunMemory {
  #bytes = 0;

  constructor(private readonly limit: number) {}

  add(bytes: number): void {
    this.#bytes += bytes;
  }

  get isFull(): boolean {
    return this.#bytes > this.limit;
  }
}

/** The runs of one partition that are in memory. */
export class ResidentRuns {
  readonly #entries = new Map<string, RunEntry>();
  #ended = false;
  #held = false;
  /** Something was to leave while all were held. */
  #waiting = false;

  constructor(private readonly memory: RunMemory) {}

  get size(): number {
    return this.#entries.size;
  }
  has(runId: string): boolean {
    return this.#entries.has(runId);
  }
  get(runId: string): RunEntry | undefined {
    return this.#entries.get(runId);
  }
  values(): IterableIterator<RunEntry> {
    return this.#entries.values();
  }

  /** `saved`, `bytes`: sequence and size of the snapshot that the state was loaded from, 0 when there is none. */
  adopt(state: RunState, saved: number, bytes = 0): RunEntry {
    const entry: RunEntry = { state, pending: 0, acked: 0, dirty: false, saved, bytes, stored: true };
    this.#entries.set(state.runId, entry);
    this.memory.add(bytes);
    return entry;
  }

  release(entry: RunEntry): void {
    if (this.#entries.delete(entry.state.runId) && !this.#ended) this.memory.add(-entry.bytes);
  }

  /** It was saved, so large. What has left memory meanwhile weighs nothing any more. */
  weigh(entry: RunEntry, bytes: number): void {
    if (this.#ended || this.#entries.get(entry.state.runId) !== entry) return;
    this.memory.add(bytes - entry.bytes);
    entry.bytes = bytes;
  }

  /** While a batch is folded nothing leaves: what was here when it began, or was fetched for it, has to be here for it. */
  async holding(work: () => Promise<void>): Promise<void> {
    this.#held = true;
    try {
      await work();
    } finally {
      this.#held = false;
      if (this.#waiting) this.evict();
    }
  }

  /** Lets go of runs that nothing is under way for and that lie in Postgres as they are, oldest first, while memory is full. */
  evict(): void {
    this.#waiting = this.#held;
    if (this.#held) return;
    for (const entry of this.#entries.values()) {
      if (!this.memory.isFull) return;
      if (isSettled(entry) && entry.saved >= entry.state.seq) this.release(entry);
    }
  }

  /** The partition is somebody else's: its runs weigh nothing here. */
  end(): void {
    this.#ended = true;
    for (const { bytes } of this.#entries.values()) this.memory.add(-bytes);
  }
}

/** Nothing is to be decided for it, and everything that was has come back. */
export const isSettled = (entry: RunEntry): boolean =>
  entry.pending === 0 && !entry.dirty && entry.acked <= entry.state.seq;
