import { unreachable } from '@flex/contracts';
import { json, type Draft, type EventOf, type ProjectionState } from './projection-state.js';

/** What a run shows of itself: its beginning, its pauses, its end. */
export function runFrames(state: ProjectionState, event: EventOf<'run'>, out: Draft[]): void {
  switch (event.type) {
    case 'run.submitted': {
      // Said again it begins nothing again.
      if (state.begun) return;
      state.begun = true;
      const { envelope, tenant, correlationId, threadId, after, forkOf, submittedBy } = event.data;
      state.correlationId = correlationId;
      out.push({
        type: 'start',
        message: envelope.objective,
        payload: json({
          objective: envelope.objective,
          outputContract: envelope.outputContract,
          inputs: Object.keys(envelope.inputs ?? {}),
          labels: envelope.metadata?.labels,
          tenant,
          threadId,
          after,
          forkOf,
          submittedBy,
        }),
      });
      return;
    }
    case 'run.capability_lost': {
      const { capabilityId, nodes } = event.data;
      out.push({
        type: 'log',
        message: `Capability ${capabilityId} went out of service`,
        payload: { event: 'capability_lost', capabilityId, nodes },
      });
      return;
    }
    case 'run.paused':
      out.push({ type: 'run_paused', message: event.data.reason, payload: json({ ...event.data }) });
      return;
    case 'run.resumed':
      out.push({ type: 'run_resumed', payload: json({ ...event.data }) });
      return;
    case 'run.completed': {
      const { output, satisfaction, constraints } = event.data;
      out.push(final(state, { status: 'completed', output, satisfaction, constraints }));
      return;
    }
    case 'run.failed':
      out.push(final(state, { status: 'failed', error: event.data.error }, event.data.error.message));
      return;
    case 'run.cancelled': {
      const { reason, by } = event.data;
      out.push(
        final(
          state,
          { status: 'cancelled', error: { code: 'cancelled', message: reason ?? 'The run was cancelled' }, by },
          reason,
        ),
      );
      return;
    }
    // Internal: carried by the frames of what follows from them, or nothing that a client could act on.
    case 'run.cancel_requested':
    case 'run.pause_requested':
    case 'run.resume_requested':
    case 'run.replan_requested':
    case 'run.released':
    case 'run.deleted':
      return;
    default:
      unreachable(event);
  }
}

function final(state: ProjectionState, payload: Record<string, unknown>, message?: string): Draft {
  state.ended = true;
  return { type: 'complete', message, payload: json(payload) };
}
