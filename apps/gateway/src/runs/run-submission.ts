import type { EventData, TaskEnvelope } from '@flex/contracts';
import type { PubAck, ThreadClaim } from '@flex/events';
import type { Caller } from '../security/caller.js';
import type { EnvelopeCheck } from './envelope-check.js';
import type { Threads } from './threads.js';
import type { Intake } from './intake.js';
import type { LiveSnapshots } from './live-snapshots.js';
import type { LogDesk } from './log-desk.js';

export interface Submission {
  runId: string;
  envelope: TaskEnvelope;
  caller: Caller;
  traceparent?: string;
  forkOf?: { runId: string; seq: number };
  seed?: EventData<'run.submitted'>['seed'];
}

/** Takes tasks in: checks the envelope, settles what becomes of other runs of the thread, appends `run.submitted`. */
export class RunSubmission {
  constructor(
    private readonly log: LogDesk,
    private readonly check: EnvelopeCheck,
    private readonly threads: Threads,
    private readonly intake: Intake,
    private readonly registry: LiveSnapshots,
  ) {}

  /** Resolves when the log has it: from then on the run is kept, whatever dies. */
  async submit(submission: Submission): Promise<void> {
    const { tenant } = submission.caller;
    // Room first: who comes when there is none costs as little as possible.
    await this.intake.take(tenant, async () => {
      await this.check.check(submission.envelope, tenant);
      await this.#store(submission);
    });
  }

  async #store({ runId, envelope, caller, traceparent, forkOf, seed }: Submission): Promise<void> {
    const { correlationId, threadId, onConflict = 'enqueue' } = envelope.metadata ?? {};
    const append = (after: string[], thread?: ThreadClaim): Promise<PubAck> =>
      this.log.append(
        {
          type: 'run.submitted',
          runId,
          id: `run.submitted.${runId}`,
          traceparent,
          data: {
            envelope,
            tenant: caller.tenant,
            registryRevision: this.registry.revision,
            correlationId: correlationId ?? runId,
            ...(caller.by ? { submittedBy: caller.by } : {}),
            ...(threadId === undefined ? {} : { threadId }),
            ...(after.length > 0 ? { after, ...(onConflict === 'rollback' ? { rollsBack: true } : {}) } : {}),
            ...(forkOf ? { forkOf } : {}),
            ...(seed ? { seed } : {}),
          },
        },
        { thread },
      );
    if (threadId === undefined) await append([]);
    else await this.threads.submit({ runId, threadId, onConflict, caller }, append);
  }
}
