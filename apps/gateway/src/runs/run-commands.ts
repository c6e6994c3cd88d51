import type { EventData, NewEvent } from '@flex/contracts';
import { unknownManualPolicy } from '../core/manual-policy.js';
import type { RunSummary } from '../core/run-summary.js';
import { refuse } from '../http/problems.js';
import type { Caller } from '../security/caller.js';
import type { RunReader } from './run-reader.js';
import type { LogDesk } from './log-desk.js';

type Command =
  'run.cancel_requested' | 'run.pause_requested' | 'run.resume_requested' | 'run.replan_requested' | 'policy.signalled';

/** What people and programs ask of an open run. The log takes the wish; the orchestrator decides what comes of it. */
export class RunCommands {
  constructor(
    private readonly log: LogDesk,
    private readonly runs: RunReader,
  ) {}

  /** `nonce` makes a repeat of the same request the same event. */
  async send<T extends Command>(
    type: T,
    runId: string,
    caller: Caller,
    nonce: string,
    data: Omit<EventData<T>, 'by'>,
  ): Promise<RunSummary> {
    const run = await this.runs.open(runId, caller);
    const event = {
      type,
      runId,
      id: `${type}.${runId}.${nonce}`,
      data: { ...data, ...(caller.by ? { by: caller.by } : {}) },
    };
    await this.log.append(event as unknown as NewEvent);
    return run;
  }

  async resume(
    runId: string,
    caller: Caller,
    nonce: string,
    expectedPlanVersion: number | undefined,
  ): Promise<RunSummary> {
    await this.#atVersion(runId, caller, expectedPlanVersion);
    return this.send('run.resume_requested', runId, caller, nonce, {
      ...(expectedPlanVersion === undefined ? {} : { expectedPlanVersion }),
    });
  }

  async replan(
    runId: string,
    caller: Caller,
    nonce: string,
    data: Omit<EventData<'run.replan_requested'>, 'by'>,
  ): Promise<RunSummary> {
    await this.#atVersion(runId, caller, data.baseVersion);
    return this.send('run.replan_requested', runId, caller, nonce, data);
  }

  async signal(
    runId: string,
    caller: Caller,
    nonce: string,
    data: Omit<EventData<'policy.signalled'>, 'by'>,
  ): Promise<RunSummary> {
    if (data.kind === 'manual' && data.policyId !== undefined) {
      const unknown = unknownManualPolicy(await this.runs.events(runId, caller), data.policyId);
      if (unknown) throw refuse.invalidBody([unknown]);
    }
    return this.send('policy.signalled', runId, caller, nonce, data);
  }

  /** A first look only: the orchestrator refuses what became stale on the way. */
  async #atVersion(runId: string, caller: Caller, expected: number | undefined): Promise<void> {
    if (expected === undefined) return;
    const run = await this.runs.open(runId, caller);
    if (run.planVersion !== expected) throw refuse.stalePlanVersion(expected, run.planVersion);
  }
}
