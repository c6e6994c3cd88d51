import {
  unreachable,
  type Acceptance,
  type Failure,
  type HumanTask,
  type Json,
  type RunStatus,
  type StoredEvent,
} from '@flex/contracts';
import {
  addUsage,
  completeNode,
  dispatchNode,
  patchNode,
  planNodes,
  reportNodes,
  type NodeView,
  type UsageTotals,
} from './summary-nodes.js';

/** A question to a person, and what became of it. */
export interface TaskView extends HumanTask {
  runId: string;
  tenant: string;
  status: 'open' | 'answered' | 'closed';
  outcome?: string;
  resolution?: string;
  resolvedBy?: string;
  requestedAt: number;
  closedAt?: number;
  /** Answers so far: one that broke the task's contract leaves it open for another. */
  answers: number;
}

/** All that a client may want to know about a run at a glance. Owned by one fold and changed in place, O(change). */
export interface RunSummary {
  runId: string;
  tenant: string;
  objective: string;
  correlationId: string;
  threadId?: string;
  labels: Record<string, string>;
  submittedBy?: string;
  forkOf?: { runId: string; seq: number };
  status: RunStatus;
  planVersion?: number;
  planAttempts: number;
  replans: number;
  nodes: Map<string, NodeView>;
  tasks: Map<string, TaskView>;
  usage: UsageTotals;
  submittedAt: number;
  plannedAt?: number;
  startedAt?: number;
  endedAt?: number;
  output?: Json;
  satisfaction?: number;
  error?: Failure;
  /** Nobody may see it any more. */
  deleted: boolean;
  firstSeq: number;
  lastSeq: number;
  /** What the status is derived from while the run is open. */
  flags: { planning: boolean; planned: boolean; paused: boolean; released: boolean };
}

export const initialSummary = (runId: string): RunSummary => ({
  runId,
  tenant: '',
  objective: '',
  correlationId: runId,
  labels: {},
  status: 'submitted',
  planAttempts: 0,
  replans: 0,
  nodes: new Map(),
  tasks: new Map(),
  usage: { inputTokens: 0, outputTokens: 0, cost: 0 },
  submittedAt: 0,
  deleted: false,
  firstSeq: 0,
  lastSeq: 0,
  flags: { planning: false, planned: false, paused: false, released: true },
});

export const isEnded = (status: RunStatus): boolean =>
  status === 'completed' || status === 'failed' || status === 'cancelled';

/** Folds one event into the summary; the same events in the same order always give the same summary. */
export function summarize(run: RunSummary, event: StoredEvent): void {
  if (event.seq <= run.lastSeq) return;
  run.lastSeq = event.seq;
  if (event.type === 'run.deleted') run.deleted = true;
  if (isEnded(run.status)) return;
  for (const acceptance of (event.data as { accepted?: Acceptance[] }).accepted ?? [])
    completeNode(run, acceptance, event.time);
  fold(run, event);
  if (!isEnded(run.status)) run.status = openStatus(run);
}

const NONE: TaskView[] = [];

/** Ended > paused > planning > waiting for people > running: the strongest reason why nothing, or something, happens. */
function openStatus({ flags, tasks }: RunSummary): RunStatus {
  if (flags.paused) return 'paused';
  const open = tasks.size === 0 ? NONE : [...tasks.values()].filter((task) => task.status === 'open');
  if (open.some((task) => task.kind === 'review')) return 'awaiting_review';
  if (open.some((task) => task.kind === 'escalation' || task.kind === 'approval')) return 'awaiting_human';
  if (flags.planning) return flags.planned ? 'replanning' : 'planning';
  if (open.length > 0) return 'awaiting_human';
  return flags.planned ? 'running' : 'submitted';
}

function fold(run: RunSummary, event: StoredEvent): void {
  switch (event.type) {
    case 'run.submitted': {
      // Said again it begins nothing again.
      if (run.firstSeq > 0) return;
      const { envelope, tenant, correlationId, threadId, submittedBy, forkOf } = event.data;
      Object.assign(run, { tenant, correlationId, threadId, submittedBy, forkOf });
      run.objective = envelope.objective;
      run.labels = envelope.metadata?.labels ?? {};
      run.submittedAt = event.time;
      run.firstSeq = event.seq;
      return;
    }
    case 'plan.requested':
      run.flags.planning = true;
      run.planAttempts += 1;
      return;
    case 'plan.drafted':
    case 'plan.draft_failed':
      addUsage(run, event.data.usage);
      return;
    case 'plan.generated':
      run.flags.planning = false;
      run.flags.planned = true;
      run.planVersion = event.data.plan.version;
      run.plannedAt = event.time;
      planNodes(run, event.data.plan.nodes);
      return;
    case 'plan.updated': {
      const { delta, version } = event.data;
      run.flags.planning = false;
      run.planVersion = version;
      run.replans += 1;
      planNodes(run, [...delta.addNodes, ...delta.replaceNodes]);
      for (const id of delta.removeNodes) run.nodes.delete(id);
      return;
    }
    case 'plan.rejected':
      // An edit that was refused leaves the review to its reviewer.
      if (event.data.phase === 'review') reopen(run, event.data.requestId);
      return;
    case 'node.dispatched':
      run.startedAt ??= event.time;
      return dispatchNode(run, event.data, event.time);
    case 'node.reported':
      return reportNodes(run, event.data, event.time);
    case 'node.failed': {
      const { nodeId, error, final } = event.data;
      patchNode(run, nodeId, { status: final ? 'failed' : 'ready', error, endedAt: event.time });
      return;
    }
    case 'node.skipped':
      for (const { nodeId } of event.data.nodes) patchNode(run, nodeId, { status: 'skipped', endedAt: event.time });
      return;
    case 'node.cancelled':
      for (const { nodeId } of event.data.nodes) patchNode(run, nodeId, { status: 'cancelled', endedAt: event.time });
      return;
    case 'hitl.requested': {
      const { task } = event.data;
      run.tasks.set(task.taskId, {
        ...task,
        runId: run.runId,
        tenant: run.tenant,
        status: 'open',
        requestedAt: event.time,
        answers: 0,
      });
      if (task.kind === 'output' && task.nodeId)
        patchNode(run, task.nodeId, { status: 'awaiting_human', startedAt: event.time });
      return;
    }
    case 'hitl.resolved':
      answered(run, event.data.taskId, event.data.resolution, event.data.by);
      return;
    case 'plan.review_resolved':
      answered(run, event.data.taskId, event.data.decision, event.data.by);
      return;
    case 'hitl.closed': {
      const { taskId, outcome, resolution, by } = event.data;
      const task = run.tasks.get(taskId);
      if (!task) return;
      Object.assign(task, { status: 'closed', outcome, closedAt: event.time });
      task.resolution = resolution ?? task.resolution;
      task.resolvedBy = by ?? task.resolvedBy;
      return;
    }
    case 'validation.failed':
      if (event.data.scope === 'answer' && event.data.taskId) reopen(run, event.data.taskId);
      return;
    case 'run.paused':
      run.flags.paused = true;
      return;
    case 'run.resumed':
      run.flags.paused = false;
      return;
    case 'run.completed':
      end(run, 'completed', event.time);
      run.output = event.data.output;
      run.satisfaction = event.data.satisfaction;
      return;
    case 'run.failed':
      end(run, 'failed', event.time);
      run.error = event.data.error;
      return;
    case 'run.cancelled':
      end(run, 'cancelled', event.time);
      run.error = { code: 'cancelled', message: event.data.reason ?? 'The run was cancelled' };
      return;
    // Nothing of these shows in the summary by itself: their effects are events of their own.
    case 'node.completed':
    case 'node.started':
    case 'node.progressed':
    case 'plan.fallback_chosen':
    case 'goal.failed':
    case 'policy.requested':
    case 'policy.evaluated':
    case 'policy.triggered':
    case 'policy.acted':
    case 'policy.normalized':
    case 'policy.refused':
    case 'policy.signalled':
    case 'hitl.reminded':
    case 'run.capability_lost':
    case 'run.cancel_requested':
    case 'run.pause_requested':
    case 'run.resume_requested':
    case 'run.replan_requested':
    case 'run.released':
    case 'run.deleted':
    case 'partition.claimed':
    case 'timer.set':
    case 'timer.fired':
      return;
    default:
      unreachable(event);
  }
}

function answered(run: RunSummary, taskId: string, resolution: string, by: string | undefined): void {
  const task = run.tasks.get(taskId);
  if (task?.status !== 'open') return;
  Object.assign(task, { status: 'answered', resolution, resolvedBy: by, answers: task.answers + 1 });
}

function reopen(run: RunSummary, taskId: string): void {
  const task = run.tasks.get(taskId);
  if (task?.status === 'answered')
    Object.assign(task, { status: 'open', resolution: undefined, resolvedBy: undefined });
}

function end(run: RunSummary, status: 'completed' | 'failed' | 'cancelled', time: number): void {
  run.status = status;
  run.endedAt = time;
  for (const task of run.tasks.values()) {
    if (task.status === 'open') Object.assign(task, { status: 'closed', outcome: 'withdrawn', closedAt: time });
  }
  for (const node of run.nodes.values()) {
    if (node.status === 'running' || node.status === 'awaiting_human' || node.status === 'ready')
      node.status = 'cancelled';
  }
}
