import type { Frame, Json, NodeStatus, PlanDiff, PlanEdge, RunStatus } from '@flex/contracts';
import type { TreeNode } from './plan-tree.js';

export interface NodeView {
  status: NodeStatus;
  startedAt?: number;
  endedAt?: number;
  attempt?: number;
  fraction?: number;
  message?: string;
}

export interface OpenTask {
  taskId: string;
  kind: string;
  prompt: string;
}

type EdgeView = Pick<PlanEdge, 'from' | 'to'>;

/** What can be known of a run from the frames seen so far. */
export interface RunView {
  runId?: string;
  status: RunStatus;
  startedAt?: number;
  endedAt?: number;
  planVersion?: number;
  nodes: TreeNode[];
  edges: EdgeView[];
  byNode: Map<string, NodeView>;
  openTasks: Map<string, OpenTask>;
  events: number;
  output?: Json;
  error?: { code?: string; message: string; details: string[] };
}

export const emptyRunView = (): RunView => ({
  status: 'submitted',
  nodes: [],
  edges: [],
  byNode: new Map(),
  openTasks: new Map(),
  events: 0,
});

/** Folds one frame into the view, in place; the view belongs to its one reader. Frames it does not know change nothing. */
export function observe(view: RunView, frame: Frame): RunView {
  const at = Date.parse(frame.timestamp);
  view.events += 1;
  view.runId ??= frame.runId;
  if (frame.planVersion !== undefined) view.planVersion = frame.planVersion;
  const payload = frame.payload;
  switch (frame.type) {
    case 'start':
      view.startedAt ??= at;
      view.status = 'submitted';
      break;
    case 'plan_requested':
      view.status = payload['phase'] === 'replan' ? 'replanning' : 'planning';
      break;
    case 'plan_rejected':
      break;
    case 'plan_generated':
      adoptPlan(view, payload);
      if (view.status !== 'awaiting_review') view.status = 'running';
      break;
    case 'plan_updated':
      adoptUpdate(view, payload);
      if (view.status === 'replanning' || view.status === 'planning') view.status = 'running';
      break;
    case 'node_start':
      if (frame.nodeId !== undefined) {
        view.byNode.set(frame.nodeId, { status: 'running', startedAt: at, attempt: number(payload['attempt']) });
        view.status = 'running';
      }
      break;
    case 'node_progress':
      if (frame.nodeId !== undefined) {
        const node = nodeOf(view, frame.nodeId);
        node.fraction = number(payload['fraction']) ?? node.fraction;
        node.message = text(payload['message']) ?? frame.message ?? node.message;
      }
      break;
    case 'node_complete':
      end(view, frame.nodeId, 'completed', at);
      break;
    case 'node_error':
      end(view, frame.nodeId, payload['final'] === true ? 'failed' : 'pending', at);
      break;
    case 'node_skipped':
      end(view, frame.nodeId, 'skipped', at);
      break;
    case 'hitl_request':
      openTask(view, frame);
      break;
    case 'hitl_resolved': {
      const taskId = text(payload['taskId']);
      if (taskId !== undefined) view.openTasks.delete(taskId);
      if (view.openTasks.size === 0 && (view.status === 'awaiting_human' || view.status === 'awaiting_review')) {
        view.status = 'running';
      }
      break;
    }
    case 'run_paused':
      view.status = 'paused';
      break;
    case 'run_resumed':
      view.status = 'running';
      break;
    case 'complete':
      finish(view, frame, at);
      break;
    case 'plan_branch':
    case 'plan_fallback':
    case 'policy_triggered':
    case 'validation_error':
    case 'goal_condition_failed':
      break;
    case 'log':
      if (payload['event'] === 'node_cancelled') end(view, frame.nodeId, 'cancelled', at);
      break;
  }
  return view;
}

export const ended = (view: RunView): boolean =>
  view.status === 'completed' || view.status === 'failed' || view.status === 'cancelled';

export function countOf(view: RunView, status: NodeStatus): number {
  let count = 0;
  for (const node of view.byNode.values()) if (node.status === status) count += 1;
  return count;
}

function nodeOf(view: RunView, nodeId: string): NodeView {
  let node = view.byNode.get(nodeId);
  if (!node) view.byNode.set(nodeId, (node = { status: 'pending' }));
  return node;
}

function end(view: RunView, nodeId: string | undefined, status: NodeStatus, at: number): void {
  if (nodeId === undefined) return;
  const node = nodeOf(view, nodeId);
  node.status = status;
  node.endedAt = at;
}

/** The first version comes whole. */
function adoptPlan(view: RunView, payload: Record<string, Json>): void {
  const plan = object(payload['plan']);
  if (!plan) return;
  view.planVersion = number(plan['version']) ?? view.planVersion;
  view.nodes = list<TreeNode>(plan['nodes']);
  view.edges = list<EdgeView>(plan['edges']);
}

/** Later versions come as what changed: nodes added or replaced, and the difference of ids and edges. */
function adoptUpdate(view: RunView, payload: Record<string, Json>): void {
  const changed = new Map(list<TreeNode>(payload['nodes']).map((node) => [node.id, node]));
  const diff = object(payload['diff']) as unknown as Partial<PlanDiff> | undefined;
  const removed = new Set(diff?.removed ?? []);
  for (const nodeId of removed) view.byNode.delete(nodeId);
  const kept = view.nodes.filter((node) => !removed.has(node.id)).map((node) => changed.get(node.id) ?? node);
  const known = new Set(kept.map((node) => node.id));
  view.nodes = [...kept, ...[...changed.values()].filter((node) => !known.has(node.id))];
  const cut = new Set((diff?.edgesRemoved ?? []).map(edgeKey));
  view.edges = [...view.edges.filter((edge) => !cut.has(edgeKey(edge))), ...(diff?.edgesAdded ?? [])];
}

const edgeKey = (edge: EdgeView): string => `${edge.from} ${edge.to}`;

function openTask(view: RunView, frame: Frame): void {
  const task = frame.payload;
  const taskId = text(task['taskId']);
  if (taskId === undefined) return;
  const kind = text(task['kind']) ?? 'question';
  view.openTasks.set(taskId, { taskId, kind, prompt: text(task['prompt']) ?? frame.message ?? '' });
  view.status = kind === 'review' ? 'awaiting_review' : 'awaiting_human';
  if (frame.nodeId !== undefined && kind === 'output') nodeOf(view, frame.nodeId).status = 'awaiting_human';
}

function finish(view: RunView, frame: Frame, at: number): void {
  const { payload } = frame;
  const status = text(payload['status']);
  view.endedAt = at;
  view.openTasks.clear();
  view.status = status === 'failed' || status === 'cancelled' ? status : 'completed';
  if (view.status === 'completed') {
    view.output = payload['output'] ?? null;
    return;
  }
  const error = object(payload['error']);
  view.error = {
    code: text(error?.['code']),
    message:
      text(error?.['message']) ?? text(payload['error']) ?? text(payload['reason']) ?? frame.message ?? `run ${status}`,
    details: detailsOf(error),
  };
}

/** Findings that explain a failure, one line each. */
function detailsOf(error: Record<string, Json> | undefined): string[] {
  const issues = Array.isArray(error?.['issues']) ? error['issues'] : [];
  const diagnostics = Array.isArray(error?.['diagnostics']) ? error['diagnostics'] : [];
  return [
    ...issues.map((issue) => `${text(object(issue)?.['pointer']) || '/'}: ${text(object(issue)?.['message']) ?? ''}`),
    ...diagnostics.map((entry) => {
      const finding = object(entry);
      const suggestion = text(finding?.['suggestion']);
      return `${text(finding?.['code']) ?? ''}: ${text(finding?.['message']) ?? ''}${suggestion ? ` (${suggestion})` : ''}`;
    }),
  ];
}

const text = (value: Json | undefined): string | undefined => (typeof value === 'string' ? value : undefined);
const number = (value: Json | undefined): number | undefined => (typeof value === 'number' ? value : undefined);
const list = <T>(value: Json | undefined): T[] => (Array.isArray(value) ? (value as T[]) : []);
const object = (value: Json | undefined): Record<string, Json> | undefined =>
  value !== null && typeof value === 'object' && !Array.isArray(value) ? value : undefined;
