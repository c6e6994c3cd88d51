import { resultsOf, unreachable, type Acceptance, type EventData, type NextStep } from '@flex/contracts';
import { timestampOf } from '../../timestamp.js';
import { json, type Draft, type EventOf, type ProjectionState, type Report } from './projection-state.js';

/** The steps of a plan. */
export function nodeFrames(state: ProjectionState, event: EventOf<'node'>, out: Draft[]): void {
  switch (event.type) {
    case 'node.dispatched': {
      const { planVersion, capabilityId, next, ...first } = event.data;
      state.planVersion = Math.max(state.planVersion ?? 0, planVersion);
      out.push(startFrame(first, capabilityId));
      state.capabilities.set(first.nodeId, capabilityId);
      state.next.delete(first.nodeId);
      for (const { capabilityId: own = capabilityId, ...step } of next ?? []) {
        state.capabilities.set(step.nodeId, own);
        state.next.set(step.nodeId, { attempt: step.attempt, frame: startFrame(step, own) });
      }
      return;
    }
    case 'node.progressed': {
      const { nodeId, attempt, worker, fraction, message, text, data } = event.data;
      begun(state, nodeId, attempt, out);
      out.push({ type: 'node_progress', nodeId, message, payload: json({ attempt, worker, fraction, text, data }) });
      return;
    }
    case 'node.reported': {
      // Shown when the orchestrator accepts it; a second report of the same attempt changes nothing.
      const results: Report[] = resultsOf(event.data);
      results.at(-1)!.at = event.data.at;
      for (const result of results) {
        const attempts = state.reports.get(result.nodeId) ?? new Map<number, Report>();
        if (!attempts.has(result.attempt)) attempts.set(result.attempt, result);
        state.reports.set(result.nodeId, attempts);
      }
      return;
    }
    case 'node.failed': {
      const { nodeId, attempt, error, retryAt, final } = event.data;
      begun(state, nodeId, attempt, out);
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

type Started = Pick<
  EventData<'node.dispatched'>,
  'nodeId' | 'attempt' | 'kind' | 'label' | 'inputs' | 'outputFacets' | 'provenance' | 'timeoutMs'
>;

function startFrame(
  { nodeId, attempt, kind, label, provenance, ...step }: Started & Pick<NextStep, 'take'>,
  capabilityId: string,
): Draft {
  return {
    type: 'node_start',
    nodeId,
    message: label,
    payload: json({
      attempt,
      capabilityId,
      kind,
      label,
      inputFacets: [...Object.keys(step.inputs), ...Object.keys(step.take ?? {})],
      outputFacets: step.outputFacets,
      timeoutMs: step.timeoutMs,
    }),
    facetProvenance:
      provenance && Object.fromEntries(Object.entries(provenance).map(([facet, from]) => [facet, [from]])),
  };
}

/** Shows that a worker went on with a step by itself, before anything else of that step is shown. */
function begun(state: ProjectionState, nodeId: string, attempt: number, out: Draft[]): void {
  const next = state.next.get(nodeId);
  if (next?.attempt !== attempt) return;
  state.next.delete(nodeId);
  out.push(next.frame);
}

/** An accepted result: the outputs are the orchestrator's own, or those of the worker's report. */
export function completion(state: ProjectionState, { nodeId, attempt, outputs }: Acceptance, out: Draft[]): void {
  begun(state, nodeId, attempt, out);
  const report = state.reports.get(nodeId)?.get(attempt);
  state.reports.delete(nodeId);
  const values = outputs ?? report?.outputs ?? {};
  const capabilityId = state.capabilities.get(nodeId);
  out.push({
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
  });
  if (report?.at) begun(state, report.at.nodeId, report.at.attempt, out);
}
