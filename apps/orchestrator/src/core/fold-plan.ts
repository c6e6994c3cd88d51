import { type PlanGraph, type StoredEvent } from '@flex/contracts';
import { mergeDelta, performerOf } from '@flex/planning';
import { dueAt } from './due.js';
import { acceptAll, cancel, forget, isDone, remove } from './fold-nodes.js';
import { done } from './fold-people.js';
import { recount } from './progress.js';
import { spend } from './spend.js';
import { type RunState } from './state.js';

export function planRequested(state: RunState, event: StoredEvent<'plan.requested'>): void {
  const { data } = event;
  acceptAll(state, data.accepted);
  const before = state.planning?.requestId === data.requestId ? state.planning : undefined;
  if (!before) {
    state.planRounds++;
    // A person's second try is bounded by the escalations, and no further replan of the run.
    if (data.phase === 'replan' && !state.stuck) state.replans++;
    state.stuck = undefined;
    for (const capabilityId of data.replan?.exclude ?? [])
      if (!state.excluded.includes(capabilityId)) state.excluded.push(capabilityId);
    done(state, data.cause.seq);
    state.goalFailed = undefined;
    state.signals = state.signals.filter((signal) => signal.seq !== data.cause.seq);
    state.edits = state.edits.filter((edit) => edit.seq !== data.cause.seq);
    if (data.cause.kind === 'capability_lost') state.lost = [];
    if (data.cause.kind === 'branch') state.expandable.delete(data.cause.nodeId ?? '');
    if (data.cause.nodeId) state.fallen.delete(data.cause.nodeId);
  }
  state.planning = {
    requestId: data.requestId,
    phase: data.phase,
    attempt: data.attempt,
    cause: data.cause,
    deterministicOnly: data.deterministicOnly ?? false,
    diagnostics: data.diagnostics,
    values: data.replan?.values,
    branchRequests: data.replan?.branchRequests,
    deadline: event.time + PLANNER_TIMEOUT_MS,
  };
  dueAt(state, state.planning.deadline!);
}

/** How long a planner may take for one attempt. */
export const PLANNER_TIMEOUT_MS = 120_000;

/** The next version: what it takes away or changes begins anew, everything else goes on as it is. */
export function planUpdated(state: RunState, { data }: StoredEvent<'plan.updated'>): void {
  if (!state.plan || data.previousVersion !== state.plan.version) return;
  spend(state, data.usage);
  const plan = mergeDelta(state.plan, data.delta, { cause: data.cause });
  for (const nodeId of data.delta.cancelNodes) cancel(state, nodeId);
  for (const node of data.delta.replaceNodes) forget(state, node.id);
  for (const nodeId of data.delta.removeNodes) remove(state, nodeId);
  state.planning = undefined;
  state.goalFailed = undefined;
  // A loss that nobody waits for any more is settled, also one that a derived node was waiting for.
  state.lost = state.lost.filter((lost) =>
    plan.nodes.some((node) => performerOf(node) === lost.capabilityId && !isDone(state, node.id)),
  );
  state.edits = state.edits.filter((edit) => String(edit.seq) !== data.requestId);
  return usePlan(state, plan);
}

export function usePlan(state: RunState, plan: PlanGraph): void {
  state.plan = plan;
  for (const node of plan.nodes)
    if (!state.nodes.has(node.id))
      state.nodes.set(node.id, {
        status: 'pending',
        attempt: 0,
        tries: 0,
        candidate: 0,
        unmet: 0,
        taken: 0,
        passed: 0,
      });
  recount(state);
  const wall = state.policies?.budget.maxWallMs;
  if (wall !== undefined) dueAt(state, state.submittedAt + wall);
}
