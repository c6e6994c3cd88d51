import { NEVER, nodeOf, type NodeRun, type RunState } from './state.js';

/** Lowers the bound of the run's next due time. */
export function dueAt(state: RunState, time: number): void {
  if (time < state.due) state.due = time;
}

/** Earliest moment at which something is to be asked about a running node. */
export function softDue(state: RunState, nodeId: string, run: NodeRun): number {
  let due = run.deadline ?? NEVER;
  const hooks = nodeOf(state, nodeId)?.policyHooks;
  if (hooks?.length)
    for (const policy of state.policies?.runtime ?? [])
      if (policy.trigger.kind === 'onTimeout' && hooks.includes(policy.id) && !run.asked?.includes(policy.id))
        due = Math.min(due, (run.startedAt ?? 0) + (policy.trigger.ms ?? 0));
  return due;
}

/** The exact next moment after `now` at which the run wants to be looked at; costs a walk over what is active. */
export function nextDue(state: RunState, now: number): number {
  if (state.ended) return NEVER;
  let due = NEVER;
  const consider = (time: number | undefined) => {
    if (time !== undefined && time > now && time < due) due = time;
  };
  consider(state.planning?.deadline);
  for (const nodeId of state.active) consider(softDue(state, nodeId, state.nodes.get(nodeId)!));
  for (const nodeId of state.retrying) consider(state.nodes.get(nodeId)!.retryAt);
  for (const open of state.tasks.values()) {
    consider(open.reminded ? undefined : open.task.remindAt);
    consider(open.task.dueAt);
  }
  const wall = state.policies?.budget.maxWallMs;
  if (wall !== undefined && !state.budgetLifted) consider(state.submittedAt + wall);
  return due;
}
