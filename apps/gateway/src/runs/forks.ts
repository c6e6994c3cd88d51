import type { TaskEnvelope } from '@flex/contracts';
import { forkPoint } from '../core/fork-seed.js';
import { refuse } from '../http/problems.js';
import type { Caller } from '../security/caller.js';
import type { RunReader } from './run-reader.js';
import type { RunSubmission } from './run-submission.js';

export interface Fork {
  runId: string;
  origin: string;
  fromSeq?: number;
  /** Instead of the origin's. */
  envelope?: TaskEnvelope;
  caller: Caller;
  traceparent?: string;
}

/** New runs that start with what another one had finished. */
export class Forks {
  constructor(
    private readonly runs: RunReader,
    private readonly submission: RunSubmission,
  ) {}

  async fork({ runId, origin, fromSeq, envelope, caller, traceparent }: Fork): Promise<void> {
    const events = await this.runs.events(origin, caller);
    const point = forkPoint(events, fromSeq ?? Number.MAX_SAFE_INTEGER);
    if (!point) throw refuse.invalidBody([{ pointer: '/fromSeq', message: 'lies before the run began' }]);
    await this.submission.submit({
      runId,
      envelope: envelope ?? point.envelope,
      caller,
      traceparent,
      forkOf: { runId: origin, seq: point.seq },
      seed: point.seed,
    });
  }
}
