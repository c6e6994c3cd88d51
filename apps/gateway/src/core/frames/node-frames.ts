import { unreachable, type Acceptance } from '@flex/contracts';
import { timestampOf } from '../../timestamp.js';
import { json, type Draft, type EventOf, type ProjectionState, type Report } from './projection-state.js';

/** The steps of a plan. */
export function nodeFrames(state: ProjectionState, event: EventOf<'node'>, out: Draft[]): void {
  switch (event.type) {
    case 'node.dispatched': {
      const { nodeId, attempt, planVersion, capabilityId, kind, label, outputFacets, provenance, timeoutMs } =
        event.data;
      state.capabilities.set(nodeId, capabilityId);
      state.planVersion = Math.max(state.planVersion ?? 0, planVersion);
      out.push({
        type: 'node_start',
        nodeId,
        message: label,
        payload: json({
          attempt,
          capabilityId,
          kind,
          label,
          inputFacets: Object.keys(event.data.inputs),
          outputFacets,
          timeoutMs,
        }),
        facetProvenance:
          provenance && Object.fromEntries(Object.entries(provenance).map(([facet, from]) => [facet, [from]])),
      });
      return;
    }
    case 'node.progressed': {
      const { nodeId, attempt, worker, fraction, message, text, data } = event.data;
      out.push({ type: 'node_progress', nodeId, message, payload: json({ attempt, worker, fraction, text, data }) });
      return;
    }
    case 'node.reported': {
      // Shown when the orchestrator accepts it; a second report of the same attempt changes nothing.
      const attempts = state.reports.get(event.data.nodeId) ?? new Map<number, Report>();
      if (!attempts.has(event.data.attempt)) attempts.set(event.data.attempt, event.data);
      state.reports.set(event.data.nodeId, attempts);
      return;
    }
    case 'node.failed': {
      const { nodeId, attempt, error, retryAt, final } = event.data;
      state.reports.get(nodeId)?.delete(attempt);
      out.push({
        type: 'node_error',
        nodeId,
        message: error.message,
        payload: json({
          attempt,
          error,
          final,
          retryAt: retryAt === undefined ? undefined : timestampOf(retryAt),
          capabilityId: state.capabilities.get(nodeId),
        }),
      });
      return;
    }
    case 'node.skipped':
      for (const { nodeId, reason } of event.data.nodes)
        out.push({ type: 'node_skipped', nodeId, message: reason, payload: { reason } });
      return;
    case 'node.cancelled':
      for (const { nodeId, attempt, reason } of event.data.nodes) {
        state.reports.delete(nodeId);
        out.push({
          type: 'log',
          nodeId,
          message: `Cancelled: ${reason}`,
          payload: { event: 'node_cancelled', attempt, reason },
        });
      }
      return;
    // Internal: carried by the frames of what follows from them, or nothing that a client could act on.
    case 'node.completed':
    case 'node.started':
      return;
    default:
      unreachable(event);
  }
}

/** An accepted result: the outputs are the orchestrator's own, or those of the worker's report. */
export function completion(state: ProjectionState, { nodeId, attempt, outputs }: Acceptance): Draft {
  const report = state.reports.get(nodeId)?.get(attempt);
  state.reports.delete(nodeId);
  const values = outputs ?? report?.outputs ?? {};
  const capabilityId = state.capabilities.get(nodeId);
  return {
    type: 'node_complete',
    nodeId,
    payload: json({
      outputs: values,
      attempt,
      capabilityId,
      durationMs: report?.durationMs,
      usage: report?.usage,
      metrics: report?.metrics,
    }),
    facetProvenance: Object.fromEntries(Object.keys(values).map((facet) => [facet, [nodeId]])),
  };
}
