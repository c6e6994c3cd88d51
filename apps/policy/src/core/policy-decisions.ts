import type { NewEvent, PlannerDiagnostic, StoredEvent } from '@flex/contracts';
import { evaluatePolicies, normalizePolicies } from '@flex/planning';

type Event<T extends 'run.submitted' | 'policy.requested'> = Pick<StoredEvent<T>, 'runId' | 'data' | 'traceparent'>;

/**
 * What follows from an envelope's policies: they are compiled and enforceable, or refused with everything that is wrong with
 * them. Undefined for an envelope without policies, which needs no word of ours. The event's id is the same for both
 * answers: a run's policies are judged once.
 */
export function onRunSubmitted({
  runId,
  data,
  traceparent,
}: Event<'run.submitted'>): NewEvent<'policy.normalized' | 'policy.refused'> | undefined {
  if (data.envelope.policies === undefined) return undefined;
  const { outputContract } = data.envelope;
  const judged = normalizePolicies(data.envelope.policies, { outputContract });
  const { policies } = judged;
  const diagnostics = judged.diagnostics.map(inEnvelope);
  const head = { runId, id: `policy.normalized.${runId}`, traceparent };
  if (!policies) return { ...head, type: 'policy.refused', data: { diagnostics } };
  return { ...head, type: 'policy.normalized', data: { policies, ...(diagnostics.length > 0 ? { diagnostics } : {}) } };
}

/** Pointers into the policies as pointers into the envelope, which is what a client has before its eyes. */
const inEnvelope = (found: PlannerDiagnostic): PlannerDiagnostic =>
  found.pointer === undefined ? found : { ...found, pointer: `/policies${found.pointer}` };

/**
 * The verdict on an occasion: every policy that was asked about is judged and recorded, the first that matches acts. One id
 * for both outcomes, so that an occasion has one verdict however often it is judged.
 */
export function onPolicyRequested({
  runId,
  data,
  traceparent,
}: Event<'policy.requested'>): NewEvent<'policy.evaluated' | 'policy.triggered'> {
  const { evaluations, acts } = evaluatePolicies(data);
  const { requestId, nodeId } = data;
  const head = { runId, id: `policy.verdict.${runId}.${requestId}`, traceparent };
  if (!acts) return { ...head, type: 'policy.evaluated', data: { requestId, evaluations } };
  const { policyId, action } = acts;
  const rationale = rationaleOf(action);
  return {
    ...head,
    type: 'policy.triggered',
    data: {
      requestId,
      policyId,
      action,
      evaluations,
      ...(nodeId === undefined ? {} : { nodeId }),
      ...(rationale === undefined ? {} : { rationale }),
    },
  };
}

type Action = NonNullable<ReturnType<typeof evaluatePolicies>['acts']>['action'];

/** The words that a policy gives for what it does, whatever its kind calls them. */
function rationaleOf(action: Action): string | undefined {
  switch (action.type) {
    case 'replan':
    case 'hitl':
      return action.rationale;
    case 'pause':
      return action.reason;
    case 'fail':
      return action.message;
    case 'emit':
    case 'goto':
      return undefined;
  }
}
