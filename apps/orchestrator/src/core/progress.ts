import type { Json, JsonLogic, PlanGraph } from '@flex/contracts';
import { holds } from '@flex/planning';
import { indexOf, type NodeRun, type RunState } from './state.js';

/** What is known of the edges into a node: read from the state, or from a decision's overlay of it. */
export interface Counts {
  unmet: number;
  taken: number;
  passed: number;
}

export interface Frontier {
  counts(nodeId: string): Counts | undefined;
  /** All edges into the node are decided now. */
  reached(nodeId: string, alive: boolean): void;
}

export interface Outcome {
  status: 'completed' | 'failed' | 'void';
  /** Targets that a routing node chose. */
  taken?: readonly string[];
}

/**
 * Decides the edges out of a node that has ended. A plain edge is taken when its source completed; a guarded one (with
 * a condition, or out of a routing node) when its guard holds besides, and a condition also after a failure: that is
 * how something stands in. A node runs when an edge into it is taken and, if it has guards, one of them.
 */
export function release(
  plan: PlanGraph,
  nodeId: string,
  outcome: Outcome,
  context: () => Json,
  frontier: Frontier,
): void {
  const index = indexOf(plan);
  for (const edge of index.outgoing.get(nodeId) ?? []) {
    const counts = frontier.counts(edge.to);
    if (!counts || counts.unmet === 0) continue;
    counts.unmet--;
    if (isTaken(edge, outcome, context)) {
      counts.taken++;
      if (edge.condition !== undefined || outcome.taken !== undefined) counts.passed++;
    }
    if (counts.unmet === 0)
      frontier.reached(edge.to, counts.taken > 0 && (counts.passed > 0 || !index.guarded.has(edge.to)));
  }
}

function isTaken(edge: { to: string; condition?: unknown }, { status, taken }: Outcome, context: () => Json): boolean {
  if (status === 'void' || (taken !== undefined && !taken.includes(edge.to))) return false;
  if (edge.condition === undefined) return status === 'completed';
  return holds(edge.condition as JsonLogic, context());
}

/** The run as conditions see it. */
export function conditionContext(state: RunState, extra: Record<string, Json> = {}): Json {
  const facets: Record<string, Json> = {};
  for (const [name, { value }] of state.facets) facets[name] = value;
  return {
    facets,
    metrics: state.metrics,
    run: { replans: state.replans, tokens: state.spent.tokens, cost: state.spent.cost },
    ...extra,
  };
}

/** Counts every edge anew, after the plan changed or nodes were set back; finished nodes keep what they did. */
export function recount(state: RunState): void {
  const plan = state.plan!;
  const index = indexOf(plan);
  state.ready.clear();
  state.dead.clear();
  state.unfinished = 0;
  for (const [nodeId, run] of state.nodes) {
    if (!index.nodes.has(nodeId)) {
      if (run.status === 'pending') state.nodes.delete(nodeId);
      continue;
    }
    run.unmet = index.incoming.get(nodeId)!.length;
    run.taken = run.passed = 0;
  }
  for (const node of plan.nodes) {
    const run = state.nodes.get(node.id)!;
    if (!isFinished(run)) state.unfinished++;
    if (run.unmet === 0 && run.status === 'pending') state.ready.add(node.id);
  }
  const frontier = stateFrontier(state);
  for (const node of plan.nodes) {
    const run = state.nodes.get(node.id)!;
    if (run.status === 'completed' && run.gate === undefined)
      release(plan, node.id, { status: 'completed', taken: takenOf(run) }, () => conditionContext(state), frontier);
    else if (run.replaced) release(plan, node.id, { status: 'failed' }, () => conditionContext(state), frontier);
    else if (run.status === 'skipped' || run.status === 'cancelled')
      release(plan, node.id, { status: 'void' }, () => null, frontier);
  }
}

/** Where a routing node's choice is kept. */
export const TAKEN = '$taken';
export const takenOf = (run: NodeRun): string[] | undefined => run.outputs?.[TAKEN] as string[] | undefined;

export const isFinished = (run: NodeRun): boolean =>
  run.status === 'completed' || run.status === 'skipped' || run.status === 'cancelled' || run.replaced === true;

export const stateFrontier = (state: RunState): Frontier => ({
  counts: (nodeId) => state.nodes.get(nodeId),
  reached: (nodeId, alive) => {
    if (state.nodes.get(nodeId)?.status === 'pending') (alive ? state.ready : state.dead).add(nodeId);
  },
});
