import { softDue } from './evolve.js';
import { NEVER, type RunState } from './state.js';

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
