import { unreachable } from '@flex/contracts';
import { json, type Draft, type EventOf, type ProjectionState } from './projection-state.js';

/** What policies found and did. */
export function policyFrames(_state: ProjectionState, event: EventOf<'policy'>, out: Draft[]): void {
  switch (event.type) {
    case 'policy.triggered': {
      const { policyId, action, evaluations, nodeId, rationale, requestId } = event.data;
      const matched = evaluations.filter((evaluation) => evaluation.matched).map((evaluation) => evaluation.policyId);
      out.push({
        type: 'policy_triggered',
        nodeId,
        message: rationale ?? `Policy ${policyId}: ${action.type}`,
        payload: json({ policyId, action, matched, evaluations, requestId }),
      });
      return;
    }
    case 'policy.acted': {
      const { policyId, action, done, reason, event: name, payload, goto } = event.data;
      if (action === 'emit' || !done || goto) {
        const message = name ?? reason ?? `Policy ${policyId}: ${action}`;
        out.push({
          type: 'log',
          message,
          payload: json({ event: name ?? 'policy_acted', policyId, action, done, reason, payload, goto }),
        });
      }
      return;
    }
    case 'policy.refused':
      out.push({
        type: 'validation_error',
        message: event.data.diagnostics[0]?.message,
        payload: json({ scope: 'policies', errors: event.data.diagnostics }),
      });
      return;
    case 'policy.signalled': {
      const { kind, policyId, metric, value, message, by } = event.data;
      out.push({
        type: 'log',
        message: message ?? `Signal: ${kind}`,
        payload: json({ event: 'signal', kind, policyId, metric, value, by }),
      });
      return;
    }
    // Internal: carried by the frames of what follows from them, or nothing that a client could act on.
    case 'policy.requested':
    case 'policy.evaluated':
    case 'policy.normalized':
      return;
    default:
      unreachable(event);
  }
}
