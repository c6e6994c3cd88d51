import type { RunState } from './core/state.js';

/** One run in a partition's memory: its folded state, and what is under way about it. */
export interface RunEntry {
  state: RunState;
  /** Own appends that have not come back through the log yet: until they have, nothing is decided for the run. */
  pending: number;
  /** Highest sequence that the log acknowledged for an own append. */
  acked: number;
  /** Something was folded since the last decision. */
  dirty: boolean;
  /** Sequence up to which the snapshot in Postgres holds the run; 0 when there is none. */
  saved: number;
  /** Size of that snapshot; 0 when there is none. */
  bytes: number;
  /** Postgres may hold a snapshot of it, written or just being written. */
  stored: boolean;
  /** Registry revision at which its capabilities were last looked at. */
  revision?: number;
}
