import { ulid } from 'ulid';
import type { EventData, TaskEnvelope } from '@flex/contracts';
import type { StoredHistory } from '../feed/stored-history.js';
import { refuse } from '../http/problems.js';
import type { Caller } from '../security/caller.js';
import type { EnvelopeCheck } from './envelope-check.js';
import type { Threads } from './threads.js';
import type { LogDesk } from './log-desk.js';

export interface Submission {
  runId: string;
  envelope: TaskEnvelope;
  caller: Caller;
  traceparent?: string;
  forkOf?: { runId: string; seq: number };
  seed?: EventData<'run.submitted'>['seed'];
}

/** Lower-case ULIDs: sorted by time, one token of a subject. */
export const newRunId = (): string => ulid().toLowerCase();

/** Takes tasks in: checks the envelope, settles what becomes of other runs of the thread, appends `run.submitted`. */
export class RunSubmission {
  #pending = 0;

  constructor(
    private readonly log: LogDesk,
    private readonly history: StoredHistory,
    private readonly check: EnvelopeCheck,
    private readonly threads: Threads,
    private readonly maxPending: number,
  ) {}

  /** Resolves when the log has it: from then on the run is kept, whatever dies. */
  async submit({ runId, envelope, caller, traceparent, forkOf, seed }: Submission): Promise<void> {
    if (this.#pending >= this.maxPending) throw refuse.unavailable('Too many tasks are waiting for the log', 1);
    this.#pending += 1;
    try {
      this.check.check(envelope, caller.tenant);
      const { correlationId, threadId, onConflict } = envelope.metadata ?? {};
      const after =
        threadId === undefined ? [] : await this.threads.settle(threadId, onConflict ?? 'enqueue', caller, runId);
      const { seq } = await this.log.append({
        type: 'run.submitted',
        runId,
        id: `run.submitted.${runId}`,
        traceparent,
        data: {
          envelope,
          tenant: caller.tenant,
          correlationId: correlationId ?? runId,
          ...(caller.by ? { submittedBy: caller.by } : {}),
          ...(threadId === undefined ? {} : { threadId }),
          ...(after.length > 0 ? { after } : {}),
          ...(forkOf ? { forkOf } : {}),
          ...(seed ? { seed } : {}),
        },
      });
      this.history.remember(runId, seq);
    } finally {
      this.#pending -= 1;
    }
  }
}
