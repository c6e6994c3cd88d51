import { type Acceptance } from '@flex/contracts';
import { conditionContext, isFinished, recount, release, stateFrontier, TAKEN, takenOf } from './progress.js';
import { nodeOfOccasion } from './occasion.js';
import { namedSoFar, nodeOf, type NodeRun, type RunState } from './state.js';

export function acceptAll(state: RunState, accepted: readonly Acceptance[] | undefined, gate?: string): void {
  for (const acceptance of accepted ?? []) accept(state, acceptance, gate);
}

/** Of a facet that many nodes write, the last ones are told; a list of all would cost more with every node. */
const REMEMBERED_SOURCES = 16;

export function accept(state: RunState, acceptance: Acceptance, gate?: string): void {
  const run = state.nodes.get(acceptance.nodeId);
  if (!run || isFinished(run)) return;
  const reported = run.report?.outputs;
  run.outputs = acceptance.outputs ?? reported ?? {};
  run.durationMs = run.report?.durationMs;
  run.report = run.deadline = run.retryAt = undefined;
  if (acceptance.attempt > run.attempt) run.attempt = acceptance.attempt;
  for (const [facet, value] of Object.entries(run.outputs)) {
    const before = state.facets.get(facet)?.from ?? [];
    const from = [...before.filter((source) => source !== acceptance.nodeId), acceptance.nodeId];
    state.facets.set(facet, { value, from: from.slice(-REMEMBERED_SOURCES) });
  }
  if (acceptance.taken) run.outputs = { ...run.outputs, [TAKEN]: acceptance.taken };
  run.gate = gate;
  end(state, acceptance.nodeId, 'completed');
  if (Object.values(run.outputs).some(Array.isArray)) state.expandable.add(acceptance.nodeId);
}

export function end(state: RunState, nodeId: string, status: 'completed' | 'skipped' | 'cancelled'): void {
  const run = state.nodes.get(nodeId);
  if (!run || isFinished(run)) return;
  run.status = status;
  for (const set of workSets(state)) set.delete(nodeId);
  if (!nodeOf(state, nodeId)) return;
  state.unfinished--;
  if (run.gate === undefined) letGo(state, nodeId, run);
}

/** A node that failed for good gives way to the one that stands in for it. */
export function giveWay(state: RunState, nodeId: string): void {
  const run = state.nodes.get(nodeId);
  if (!run || isFinished(run)) return;
  run.replaced = true;
  for (const set of workSets(state)) set.delete(nodeId);
  state.unfinished--;
  letGo(state, nodeId, run);
}

export function letGo(state: RunState, nodeId: string, run: NodeRun): void {
  release(
    state.plan!,
    nodeId,
    { status: run.status === 'completed' ? 'completed' : run.replaced ? 'failed' : 'void', taken: takenOf(run) },
    () => conditionContext(state),
    stateFrontier(state),
  );
}

export function openGate(state: RunState, requestId: string): void {
  for (const [nodeId, run] of gated(state, requestId)) {
    run.gate = undefined;
    letGo(state, nodeId, run);
  }
}

export function gated(state: RunState, requestId: string): [string, NodeRun][] {
  // The occasion's node is named in its id, so that no search over the plan is needed.
  const nodeId = nodeOfOccasion(requestId);
  const run = nodeId === undefined ? undefined : state.nodes.get(nodeId);
  return run?.gate === requestId ? [[nodeId!, run]] : [];
}

export function cancel(state: RunState, nodeId: string): void {
  const run = state.nodes.get(nodeId);
  if (run?.taskId) state.tasks.delete(run.taskId);
  end(state, nodeId, 'cancelled');
}

export function forget(state: RunState, nodeId: string): void {
  const run = state.nodes.get(nodeId);
  if (!run) return;
  for (const set of workSets(state)) set.delete(nodeId);
  if (run.taskId) state.tasks.delete(run.taskId);
  state.nodes.set(nodeId, {
    status: 'pending',
    attempt: namedSoFar(run),
    tries: 0,
    candidate: 0,
    unmet: 0,
    taken: 0,
    passed: 0,
  });
}

export function remove(state: RunState, nodeId: string): void {
  forget(state, nodeId);
  state.nodes.delete(nodeId);
}

export function setBack(state: RunState, nodes: readonly string[]): void {
  for (const nodeId of nodes) forget(state, nodeId);
  recount(state);
}

const workSets = (state: RunState) => [
  state.ready,
  state.reported,
  state.dead,
  state.active,
  state.retrying,
  state.fallen,
  state.expandable,
];

export const isDone = (state: RunState, nodeId: string): boolean => {
  const run = state.nodes.get(nodeId);
  return run !== undefined && isFinished(run);
};
