import {
  resultsOf,
  type Acceptance,
  type EventData,
  type Failure,
  type NodeStatus,
  type PlanNode,
  type StepResult,
  type Usage,
} from '@flex/contracts';

/** How far one node is. */
export interface NodeView {
  status: NodeStatus;
  attempt: number;
  capabilityId?: string;
  kind?: string;
  label?: string;
  /** Attempt that the dispatch of a step before allows a worker to go on with. */
  named?: number;
  /** Milliseconds since the epoch. */
  startedAt?: number;
  endedAt?: number;
  durationMs?: number;
  usage?: Usage;
  error?: Failure;
}

export interface UsageTotals {
  inputTokens: number;
  outputTokens: number;
  cost: number;
}

/** The part of a run's summary that is about its nodes. */
export interface Nodes {
  nodes: Map<string, NodeView>;
  usage: UsageTotals;
}

/** They are new in the plan, or begin anew. */
export function planNodes(run: Nodes, nodes: readonly PlanNode[]): void {
  for (const { id, capabilityId, kind, label } of nodes)
    run.nodes.set(id, { status: 'pending', attempt: 0, capabilityId, kind, label });
}

export function dispatchNode(run: Nodes, dispatch: EventData<'node.dispatched'>, time: number): void {
  const { nodeId, attempt, capabilityId, kind, label, next = [] } = dispatch;
  run.nodes.set(nodeId, { status: 'running', attempt, capabilityId, kind, label, startedAt: time });
  for (const step of next) if (run.nodes.has(step.nodeId)) run.nodes.get(step.nodeId)!.named = step.attempt;
}

/** What a worker says of the step that it was sent, and of those that it went on with. */
export function reportNodes(run: Nodes, report: EventData<'node.reported'>, time: number): void {
  for (const result of resultsOf(report)) {
    wentOn(run, result, time);
    reported(run, result, time);
  }
  if (report.at) wentOn(run, report.at, time);
}

export function completeNode(run: Nodes, { nodeId, attempt }: Acceptance, time: number): void {
  const node = run.nodes.get(nodeId) ?? { status: 'pending', attempt };
  run.nodes.set(nodeId, {
    ...node,
    status: 'completed',
    attempt,
    endedAt: time,
    durationMs: node.durationMs ?? time - (node.startedAt ?? time),
    error: undefined,
  });
}

/** A worker went on with a step that a dispatch had named. */
function wentOn(run: Nodes, { nodeId, attempt }: { nodeId: string; attempt: number }, time: number): void {
  const node = run.nodes.get(nodeId);
  if (node?.named !== attempt || node.attempt >= attempt || node.status === 'completed') return;
  const { capabilityId, kind, label } = node;
  run.nodes.set(nodeId, { status: 'running', attempt, capabilityId, kind, label, startedAt: time });
}

function reported(run: Nodes, { nodeId, attempt, durationMs, usage }: StepResult, time: number): void {
  const node = run.nodes.get(nodeId);
  if (!node || node.attempt !== attempt || node.durationMs !== undefined) return;
  node.durationMs = durationMs ?? time - (node.startedAt ?? time);
  node.usage = usage;
  addUsage(run, usage);
}

export function patchNode(run: Nodes, nodeId: string, change: Partial<NodeView>): void {
  const node = run.nodes.get(nodeId) ?? { status: 'pending', attempt: 0 };
  run.nodes.set(nodeId, { ...node, ...change });
}

export function addUsage({ usage }: Pick<Nodes, 'usage'>, more: Usage | undefined): void {
  usage.inputTokens += more?.inputTokens ?? 0;
  usage.outputTokens += more?.outputTokens ?? 0;
  usage.cost += more?.cost ?? 0;
}
