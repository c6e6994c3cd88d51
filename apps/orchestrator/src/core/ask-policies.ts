import type { Acceptance, FacetValues, Json, NormalizedRuntimePolicy, PlanNode, TriggerKind } from '@flex/contracts';
import { performerOf } from '@flex/planning';
import type { Step } from './step.js';

type About = {
  node?: PlanNode;
  outputs?: FacetValues;
  issues?: { pointer: string; message: string }[];
  accepted?: Acceptance[];
  policies?: NormalizedRuntimePolicy[];
  more?: Record<string, Json>;
};

/** Policies of the run that this occasion can concern. */
function candidates(step: Step, occasion: TriggerKind, node?: PlanNode): NormalizedRuntimePolicy[] {
  return (step.state.policies?.runtime ?? []).filter((policy) => {
    if (!policy.enabled || policy.trigger.kind !== occasion) return false;
    const selector = policy.trigger.selector;
    if (!node) return selector === undefined || occasion === 'onCapabilityLost';
    return (
      (selector?.nodeId === undefined || selector.nodeId === node.id) &&
      (selector?.kind === undefined || selector.kind === node.kind) &&
      (selector?.capabilityId === undefined || selector.capabilityId === performerOf(node))
    );
  });
}

/** Policies whose verdict the completion of a node waits for. */
export function completionPolicies(step: Step, node: PlanNode): NormalizedRuntimePolicy[] {
  if (node.policyHooks.length === 0) return [];
  const reported = step.state.nodes.get(node.id)?.report?.metrics ?? {};
  // A metric with a name of its own is judged when it comes: an old value would fire again with each node that completes.
  const isNews = ({ trigger, reads }: NormalizedRuntimePolicy): boolean =>
    trigger.kind !== 'onMetricBelow' || reads.length > 0 || Object.hasOwn(reported, trigger.metric ?? '');
  return [...candidates(step, 'onNodeComplete', node), ...candidates(step, 'onMetricBelow', node)]
    .filter((policy) => node.policyHooks.includes(policy.id) && isNews(policy))
    .sort((a, b) => order(step, a) - order(step, b));
}

const order = (step: Step, policy: NormalizedRuntimePolicy): number => step.state.policies!.runtime.indexOf(policy);

/** Asks the policy service about an occasion, once, with no more of the run than the conditions read. */
export function askPolicies(step: Step, occasion: TriggerKind, requestId: string, about: About): boolean {
  const { state } = step;
  const policies =
    about.policies ??
    candidates(step, occasion, about.node).filter(
      (policy) => occasion !== 'onTimeout' || isDue(step, about.node!, policy),
    );
  if (policies.length === 0 || state.asked.has(requestId)) return false;
  const facets: Record<string, Json> = {};
  const provenance: Record<string, Json> = {};
  for (const name of new Set(policies.flatMap((policy) => policy.reads))) {
    const value = step.facet(name);
    if (value === undefined) continue;
    facets[name] = value;
    const isNew = about.node !== undefined && about.outputs !== undefined && Object.hasOwn(about.outputs, name);
    provenance[name] = isNew ? [about.node!.id] : [...(state.facets.get(name)?.from ?? [])];
  }
  const run = about.node && state.nodes.get(about.node.id);
  const node = about.node && { id: about.node.id, kind: about.node.kind, capabilityId: performerOf(about.node) };
  step.emit('policy.requested', `ask:${requestId}`, {
    requestId,
    occasion,
    nodeId: about.node?.id,
    node,
    policies,
    context: {
      facets,
      provenance,
      metrics: { ...state.metrics },
      node: node
        ? {
            ...node,
            attempt: run?.attempt ?? 0,
            durationMs: run?.report?.durationMs ?? null,
            output: about.outputs ?? null,
            issues: about.issues ?? [],
          }
        : null,
      run: {
        triggers: { ...state.policyCounts },
        replans: state.replans,
        tokens: state.spent.tokens,
        cost: state.spent.cost,
        version: step.version,
      },
      ...about.more,
    } as Record<string, Json>,
    accepted: about.accepted,
  });
  step.held = true;
  return true;
}

function isDue(step: Step, node: PlanNode, policy: NormalizedRuntimePolicy): boolean {
  const run = step.state.nodes.get(node.id)!;
  return !run.asked?.includes(policy.id) && (run.startedAt ?? 0) + (policy.trigger.ms ?? 0) <= step.world.now;
}
