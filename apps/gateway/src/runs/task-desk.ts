import { Rejection, type RegistrySnapshot, type ResolveBody, type TaskItem } from '@flex/contracts';
import { answerEvent, answerIssues, type Validate } from '../core/task-answer.js';
import type { RunSummary, TaskView } from '../core/run-summary.js';
import { taskItem } from '../core/run-view.js';
import { refuse } from '../http/problems.js';
import type { Caller } from '../security/caller.js';
import type { PostgresListings } from '../store/postgres-listings.js';
import type { RunReader } from './run-reader.js';
import type { LogDesk } from './log-desk.js';

export interface TaskFilter {
  status?: string;
  kind?: string;
  assignee?: string;
  role?: string;
}

/** Answers of people: each question takes one. */
export class TaskDesk {
  constructor(
    private readonly log: LogDesk,
    private readonly runs: RunReader,
    private readonly listings: PostgresListings,
    private readonly validate: Validate,
    private readonly snapshotOf: (tenant: string) => RegistrySnapshot,
  ) {}

  /** The task as the log tells it now. Throws `task_not_found`. */
  async find(taskId: string, caller: Caller): Promise<{ task: TaskView; run: RunSummary }> {
    const known = await this.listings.runOfTask(taskId, caller);
    // Ids of tasks begin with their run's: the read model may be a moment behind.
    for (const runId of new Set([known, taskId.split('-')[0]])) {
      if (!runId) continue;
      const run = await this.#runIfAny(runId, caller);
      const task = run?.tasks.get(taskId);
      if (run && task) return { task, run };
    }
    throw refuse.taskNotFound(taskId);
  }

  /** The tasks of one run, newest first; none for a run that is not there. */
  async ofRun(runId: string, filter: TaskFilter, caller: Caller): Promise<TaskItem[]> {
    const run = await this.#runIfAny(runId, caller);
    const { status = 'open', kind, assignee, role } = filter;
    return [...(run?.tasks.values() ?? [])]
      .filter(
        (task) =>
          (status === 'all' || task.status === status) &&
          (kind === undefined || task.kind === kind) &&
          (assignee === undefined || task.assignment?.assignee === assignee) &&
          (role === undefined || task.assignment?.role === role),
      )
      .reverse()
      .map(taskItem);
  }

  async #runIfAny(runId: string, caller: Caller): Promise<RunSummary | undefined> {
    return this.runs.summary(runId, caller).catch((error: unknown) => {
      if (error instanceof Rejection && error.problem.status === 404) return undefined;
      throw error;
    });
  }

  async resolve(taskId: string, body: ResolveBody, caller: Caller): Promise<RunSummary> {
    const { task, run } = await this.#open(taskId, caller);
    const facets = this.snapshotOf(caller.tenant).facets;
    const issues = answerIssues(task, body, this.validate, (facet) => facets.get(facet)?.propertyKey ?? facet);
    if (issues.length > 0) throw refuse.invalidAnswer(issues.slice(0, 100));
    if (body.baseVersion !== undefined && body.baseVersion !== run.planVersion)
      throw refuse.stalePlanVersion(body.baseVersion, run.planVersion);
    await this.#append(task, body, caller);
    return run;
  }

  async decline(taskId: string, comment: string | undefined, caller: Caller): Promise<RunSummary> {
    const { task, run } = await this.#open(taskId, caller);
    await this.#append(task, { resolution: 'decline', comment }, caller);
    return run;
  }

  async #open(taskId: string, caller: Caller): Promise<{ task: TaskView; run: RunSummary }> {
    const found = await this.find(taskId, caller);
    if (found.task.status !== 'open') throw refuse.taskClosed(taskId, found.task.outcome ?? found.task.status);
    return found;
  }

  /** Two at the same moment carry the same message id: the log stores one and says so to the other. */
  async #append(task: TaskView, body: Parameters<typeof answerEvent>[1], caller: Caller): Promise<void> {
    const { duplicate } = await this.log.append(answerEvent(task, body, caller.by));
    if (duplicate) throw refuse.taskClosed(task.taskId, 'answered');
  }
}
