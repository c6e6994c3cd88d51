import type { Json, JsonLogic, PlanGraph } from '@flex/contracts';
import { holds } from '@flex/planning';
import { indexOf, type NodeRun, type RunState } from './state.js';

/** How many edges into a node are open and taken: read from the state, or from a decision's overlay of it. */
export interface Counts {
  unmet: number;
  taken: number;
}

export interface Frontier {
  counts(nodeId: string): Counts | undefined;
  /** All edges into the node are decided now. */
  reached(nodeId: string, alive: boolean): void;
}

/**
 * Decides the edges out of a node that has ended. An edge is taken when its source completed, the route (if any)
 * chose it and its condition holds; a node with no edge taken is skipped.
 */
export function release(
  plan: PlanGraph,
  nodeId: string,
  outcome: { completed: boolean; taken?: readonly string[] },
  context: () => Json,
  frontier: Frontier,
): void {
  for (const edge of indexOf(plan).outgoing.get(nodeId) ?? []) {
    const counts = frontier.counts(edge.to);
    if (!counts || counts.unmet === 0) continue;
    counts.unmet--;
    if (
      outcome.completed &&
      (outcome.taken === undefined || outcome.taken.includes(edge.to)) &&
      (edge.condition === undefined || holds(edge.condition as JsonLogic, context()))
    )
      counts.taken++;
    if (counts.unmet === 0) frontier.reached(edge.to, counts.taken > 0);
  }
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
    run.taken = 0;
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
      release(plan, node.id, { completed: true, taken: takenOf(run) }, () => conditionContext(state), frontier);
    else if (run.status === 'skipped' || run.status === 'cancelled')
      release(plan, node.id, { completed: false }, () => null, frontier);
  }
}

/** Where a routing node's choice is kept. */
export const TAKEN = '$taken';
export const takenOf = (run: NodeRun): string[] | undefined => run.outputs?.[TAKEN] as string[] | undefined;

export const isFinished = (run: NodeRun): boolean =>
  run.status === 'completed' || run.status === 'skipped' || run.status === 'cancelled';

export const stateFrontier = (state: RunState): Frontier => ({
  counts: (nodeId) => state.nodes.get(nodeId),
  reached: (nodeId, alive) => {
    if (state.nodes.get(nodeId)?.status === 'pending') (alive ? state.ready : state.dead).add(nodeId);
  },
});
