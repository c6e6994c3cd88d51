import { formatFrameId, unreachable, type Acceptance, type Frame, type StoredEvent } from '@flex/contracts';
import { timestampOf } from '../timestamp.js';
import { checkFrames } from './frames/check-frames.js';
import { completion, nodeFrames } from './frames/node-frames.js';
import { planFrames } from './frames/plan-frames.js';
import { policyFrames } from './frames/policy-frames.js';
import type { Draft, EventOf, ProjectionState } from './frames/projection-state.js';
import { runFrames } from './frames/run-frames.js';
import { taskFrames } from './frames/task-frames.js';

/** The frames that clients see of one event, in order; empty for internal events. */
export function project(state: ProjectionState, event: StoredEvent): Frame[] {
  if (state.ended) return [];
  const accepted = (event.data as { accepted?: Acceptance[] }).accepted;
  const drafts: Draft[] = [];
  for (const acceptance of accepted ?? []) completion(state, acceptance, drafts);
  shown(state, event, drafts);
  return drafts.map((draft, index) => frameOf(state, event, draft, index));
}

function frameOf(state: ProjectionState, event: StoredEvent, draft: Draft, index: number): Frame {
  const { type, payload, nodeId, message, facetProvenance } = draft;
  return {
    type,
    id: formatFrameId({ seq: event.seq, index }),
    timestamp: timestampOf(event.time),
    runId: event.runId,
    ...(nodeId === undefined ? {} : { nodeId }),
    correlationId: state.correlationId,
    ...(state.planVersion === undefined ? {} : { planVersion: state.planVersion }),
    ...(message === undefined ? {} : { message }),
    payload,
    ...(facetProvenance === undefined ? {} : { facetProvenance }),
  };
}

/** Appends what an event shows by itself; the files of `frames/` name every type: shown, or internal with its reason. */
function shown(state: ProjectionState, event: StoredEvent, out: Draft[]): void {
  if (isOf(event, 'run')) return runFrames(state, event, out);
  if (isOf(event, 'plan')) return planFrames(state, event, out);
  if (isOf(event, 'node')) return nodeFrames(state, event, out);
  if (isOf(event, 'policy')) return policyFrames(state, event, out);
  if (isOf(event, 'hitl')) return taskFrames(state, event, out);
  if (isOf(event, 'validation') || isOf(event, 'goal')) return checkFrames(state, event, out);
  // Internal: how the log and its services work.
  if (isOf(event, 'partition') || isOf(event, 'timer')) return;
  unreachable(event);
}

const isOf = <E extends string>(event: StoredEvent, entity: E): event is EventOf<E> =>
  event.type.startsWith(`${entity}.`);
