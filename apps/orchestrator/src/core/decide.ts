import type { NewEvent, StoredEvent } from '@flex/contracts';
import { decideBudget } from './budget-decisions.js';
import { fail } from './ending.js';
import { evolve } from './evolve.js';
import { decideFinish } from './finish-decisions.js';
import { decideFallen, decideLate, decideReady, decideReports, skipDead } from './node-decisions.js';
import {
  decideBranches,
  decideEdits,
  decideOpening,
  decidePlanning,
  decideStuck,
  startPlanning,
} from './plan-decisions.js';
import { decideActions, decideLost, decideSignals } from './policy-decisions.js';
import { copyState, isHeld, type RunState } from './state.js';
import { Step, type World } from './step.js';
import { decideTasks } from './task-decisions.js';

/**
 * What has to happen next, seen from the state alone: the same state gives the same events with the same ids, and a
 * state in which they already happened gives none. Never changes the state.
 */
export function decide(state: RunState, world: World): NewEvent[] {
  const events = decideNext(state, world);
  return events.some(({ type }) => type === 'plan.generated') ? withFirstSteps(state, world, events) : events;
}

function decideNext(state: RunState, world: World): NewEvent[] {
  if (state.ended) return [];
  const step = new Step(state, world);
  if (state.cancelRequested) {
    cancelRun(step);
    return step.finish();
  }
  if (state.refusedPolicies) {
    fail(step, 'policies_refused', 'The policies of the envelope are not valid', {
      diagnostics: state.refusedPolicies,
    });
    return step.finish();
  }
  if (state.waitsForThread || !state.policies) return [];
  if (!state.plan && !state.planning && state.tasks.size === 0) {
    startPlanning(step);
    return step.finish();
  }
  for (const part of parts) {
    part(step);
    if (step.ended) break;
  }
  return step.finish();
}

/** Plans of up to this many nodes are looked ahead; for larger ones the second fold costs more than the way it saves. */
const LOOK_AHEAD_NODES = 100;

/**
 * The first plan with the steps that start at once, in one decision: they need not wait for the plan to come back through
 * the log. Whatever else would follow from the plan (a review, policies on the start, a limit) is decided when it is there.
 */
function withFirstSteps(state: RunState, world: World, events: NewEvent[]): NewEvent[] {
  const { plan } = (events.find(({ type }) => type === 'plan.generated') as NewEvent<'plan.generated'>).data;
  if (plan.nodes.length > LOOK_AHEAD_NODES) return events;
  const next = copyState(state);
  for (const event of events) evolve(next, { ...event, version: 1, seq: state.seq, time: state.time } as StoredEvent);
  const steps = decideNext(next, world);
  return steps.every(({ type }) => type === 'node.dispatched') ? [...events, ...steps] : events;
}

/** In this order: answers and verdicts before work, so that nothing starts between a trigger and its consequence. */
const parts: ((step: Step) => void)[] = [
  decidePauses,
  decideTasks,
  decideReports,
  decideLate,
  decideSignals,
  decideLost,
  decideActions,
  decideEdits,
  decidePlanning,
  decideStuck,
  decideOpening,
  decideFallen,
  (step) => {
    if (step.held || isHeld(step.state)) return;
    decideBranches(step);
    if (step.held) return;
    skipDead(step);
    decideBudget(step);
    if (step.ended || step.held) return;
    decideReady(step);
    if (!step.ended && !step.held) decideFinish(step);
  },
];

function decidePauses(step: Step): void {
  const { state } = step;
  if (state.pauseRequested && !state.paused) {
    step.emit('run.paused', `paused:request:${state.seq}`, {
      reason: state.pauseRequested.reason,
      by: state.pauseRequested.by,
    });
    step.held = true;
  } else if (state.resumeRequested) {
    step.emit('run.resumed', `resumed:request:${state.seq}`, {
      planVersion: step.version || undefined,
      by: state.resumeRequested.by,
    });
    step.held = true;
  }
}

function cancelRun(step: Step): void {
  const { state } = step;
  const nodes = [...state.active].map((nodeId) => ({
    nodeId,
    attempt: state.nodes.get(nodeId)!.attempt,
    reason: 'run cancelled',
  }));
  if (nodes.length > 0) step.emit('node.cancelled', 'cancelled:nodes', { nodes });
  step.emit('run.cancelled', 'cancelled', { reason: state.cancelRequested!.reason, by: state.cancelRequested!.by });
  step.ended = true;
}
