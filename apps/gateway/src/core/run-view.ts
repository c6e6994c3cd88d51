import { formatFrameId, type NodeStateView, type RunItem, type RunView, type TaskItem } from '@flex/contracts';
import { isEnded, type RunSummary, type TaskView } from './run-summary.js';
import type { NodeView } from './summary-nodes.js';
import { timestampOf } from '../timestamp.js';

const at = (ms: number | undefined): string | undefined => (ms === undefined ? undefined : timestampOf(ms));

function withoutUndefined<T extends object>(value: T): T {
  return Object.fromEntries(Object.entries(value).filter(([, member]) => member !== undefined)) as T;
}

const nodeView = ({ named: _, ...node }: NodeView): NodeStateView =>
  withoutUndefined({ ...node, startedAt: at(node.startedAt), endedAt: at(node.endedAt) });

export const openTasks = (run: RunSummary): TaskView[] =>
  [...run.tasks.values()].filter((task) => task.status === 'open');

export const runItem = (run: RunSummary): RunItem =>
  withoutUndefined({
    runId: run.runId,
    tenant: run.tenant,
    status: run.status,
    objective: run.objective,
    correlationId: run.correlationId,
    threadId: run.threadId,
    labels: run.labels,
    planVersion: run.planVersion,
    submittedAt: timestampOf(run.submittedAt),
    endedAt: at(run.endedAt),
    openTasks: openTasks(run).length,
  });

/** The run as the API shows it. */
export const runView = (run: RunSummary): RunView =>
  withoutUndefined({
    ...runItem(run),
    submittedBy: run.submittedBy,
    forkOf: run.forkOf,
    plannedAt: at(run.plannedAt),
    startedAt: at(run.startedAt),
    durationMs: run.endedAt === undefined ? undefined : run.endedAt - run.submittedAt,
    planAttempts: run.planAttempts,
    replans: run.replans,
    nodes: Object.fromEntries([...run.nodes].map(([id, node]) => [id, nodeView(node)])),
    tasks: openTasks(run).map((task) => task.taskId),
    usage: run.usage,
    output: run.output,
    satisfaction: run.satisfaction,
    error: run.error,
    cursor: cursorOf(run),
  });

/** Behind every frame of the last event folded: further frames of one event have indices far below this. */
export const cursorOf = (run: RunSummary): string => formatFrameId({ seq: run.lastSeq, index: 999_999 });

export const taskItem = (task: TaskView): TaskItem =>
  withoutUndefined({
    taskId: task.taskId,
    runId: task.runId,
    tenant: task.tenant,
    kind: task.kind,
    status: task.status,
    outcome: task.outcome,
    resolution: task.resolution,
    resolvedBy: task.resolvedBy,
    prompt: task.prompt,
    nodeId: task.nodeId,
    planVersion: task.planVersion,
    policyId: task.policyId,
    contract: task.contract,
    context: task.context,
    diagnostics: task.diagnostics,
    assignment: task.assignment as Record<string, unknown> | undefined,
    requestedAt: timestampOf(task.requestedAt),
    dueAt: at(task.dueAt),
    closedAt: at(task.closedAt),
    round: task.round,
  });

export { isEnded };
