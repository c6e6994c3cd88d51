import type { Action, EventData, Json, NormalizedRuntimePolicy, TriggerKind } from '@flex/contracts';
import { evaluate, truthy } from '../conditions/evaluate-condition.js';
import { selects } from './matching-hooks.js';

export interface PolicyEvaluation {
  policyId: string;
  matched: boolean;
  /** Why it did not match, or matched and still does not act. */
  reason?: string;
}

export interface PolicyVerdict {
  /** Every enabled policy of the request, in its order. */
  evaluations: PolicyEvaluation[];
  /** The first that matched and has budget left. */
  acts?: { policyId: string; action: Action; rationale?: string };
}

type Context = Record<string, Json>;
type Occasion = Pick<EventData<'policy.requested'>, 'occasion' | 'nodeId' | 'node' | 'policies' | 'context'>;

/**
 * Judges all policies that could match an occasion. The first in order that matches acts; one whose budget is used up
 * (`context.run.triggers[id]` says how often it acted) is recorded and passed over. A completed node is an occasion for
 * `onMetricBelow` too, since its report may bring the metric.
 */
export function evaluatePolicies(request: Occasion): PolicyVerdict {
  const context = request.context as Context;
  const evaluations: PolicyEvaluation[] = [];
  let acts: PolicyVerdict['acts'];
  for (const policy of request.policies) {
    if (!policy.enabled) continue;
    const refusal = mismatch(policy, request, context);
    if (refusal !== undefined) {
      evaluations.push({ policyId: policy.id, matched: false, reason: refusal });
      continue;
    }
    const spent = timesTriggered(context, policy.id);
    if (spent >= policy.maxTriggers) {
      evaluations.push({
        policyId: policy.id,
        matched: true,
        reason: `budget used up: it acted ${spent} of ${policy.maxTriggers} times`,
      });
    } else if (acts !== undefined) {
      evaluations.push({ policyId: policy.id, matched: true, reason: `${acts.policyId} comes first` });
    } else {
      evaluations.push({ policyId: policy.id, matched: true });
      const rationale = 'rationale' in policy.action ? policy.action.rationale : undefined;
      acts = { policyId: policy.id, action: policy.action, ...(rationale === undefined ? {} : { rationale }) };
    }
  }
  return acts === undefined ? { evaluations } : { evaluations, acts };
}

/** Why a policy does not match the occasion; undefined when it does. */
function mismatch(
  policy: NormalizedRuntimePolicy,
  { occasion, node, nodeId }: Occasion,
  context: Context,
): string | undefined {
  const { trigger } = policy;
  if (!concerns(trigger.kind, occasion)) return `waits for ${trigger.kind}`;
  const contextNode = record(context['node']);
  const subject = node ?? (nodeId === undefined ? lostOf(occasion, context) : { id: nodeId });
  if (!selects(trigger.selector, subject && { ...contextNode, ...subject })) return 'the selector means other nodes';
  if (trigger.kind === 'onTimeout' && trigger.ms !== undefined) {
    const duration = contextNode['durationMs'];
    if (typeof duration === 'number' && duration < trigger.ms)
      return `only ${duration} of ${trigger.ms} ms have passed`;
  }
  if (trigger.kind === 'onMetricBelow') {
    const value = metricValue(trigger.metric ?? '', context);
    if (typeof value !== 'number') return `${trigger.metric} has no value`;
    if (!(value < trigger.threshold!)) return `${trigger.metric} is ${value}, not below ${trigger.threshold}`;
  }
  if (trigger.kind === 'manual') {
    const meant = record(context['signal'])['policyId'];
    if (typeof meant === 'string' && meant !== policy.id) return `the signal means ${meant}`;
  }
  if (trigger.condition !== undefined && !truthy(evaluate(trigger.condition, context)))
    return 'the condition does not hold';
  return undefined;
}

/** A lost capability is no node; a selector means the capability, or the node that waits for it (`context.lost`). */
function lostOf(occasion: TriggerKind, context: Context): { id: string; capabilityId?: string } | undefined {
  const { capabilityId, nodeId } = record(context['lost']);
  if (occasion !== 'onCapabilityLost' || typeof capabilityId !== 'string') return undefined;
  return { id: typeof nodeId === 'string' ? nodeId : '', capabilityId };
}

const concerns = (kind: TriggerKind, occasion: TriggerKind): boolean =>
  kind === occasion || (kind === 'onMetricBelow' && occasion === 'onNodeComplete');

/** A metric by name, or the number at a path such as `facets.qaFindings.scores.overall`. */
function metricValue(metric: string, context: Context): Json {
  const metrics = record(context['metrics']);
  return Object.hasOwn(metrics, metric) ? metrics[metric]! : evaluate({ var: metric }, context);
}

function timesTriggered(context: Context, policyId: string): number {
  const triggers = record(record(context['run'])['triggers']);
  const times = Object.hasOwn(triggers, policyId) ? triggers[policyId] : 0;
  return typeof times === 'number' ? times : 0;
}

const record = (value: Json | undefined): Record<string, Json> =>
  value !== null && typeof value === 'object' && !Array.isArray(value) ? value : {};
