import type {
  Acceptance,
  Action,
  FacetValues,
  Json,
  NormalizedRuntimePolicy,
  PlanNode,
  TriggerKind,
} from '@flex/contracts';
import { fail } from './decide.js';
import { occasionId } from './evolve.js';
import { replan } from './plan-decisions.js';
import { indexOf, type TriggeredPolicy } from './state.js';
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
      (selector?.capabilityId === undefined || selector.capabilityId === node.capabilityId)
    );
  });
}

/** Policies whose verdict the completion of a node waits for. */
export const completionPolicies = (step: Step, node: PlanNode): NormalizedRuntimePolicy[] =>
  node.policyHooks.length === 0
    ? []
    : [...candidates(step, 'onNodeComplete', node), ...candidates(step, 'onMetricBelow', node)].sort(
        (a, b) => order(step, a) - order(step, b),
      );

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
  for (const name of new Set(policies.flatMap((policy) => policy.reads))) {
    const value = step.facet(name);
    if (value !== undefined) facets[name] = value;
  }
  const run = about.node && state.nodes.get(about.node.id);
  const node = about.node && { id: about.node.id, kind: about.node.kind, capabilityId: about.node.capabilityId };
  step.emit('policy.requested', `ask:${requestId}`, {
    requestId,
    occasion,
    nodeId: about.node?.id,
    node,
    policies,
    context: {
      facets,
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
  if (!about.node) step.held = true;
  return true;
}

function isDue(step: Step, node: PlanNode, policy: NormalizedRuntimePolicy): boolean {
  const run = step.state.nodes.get(node.id)!;
  return !run.asked?.includes(policy.id) && (run.startedAt ?? 0) + (policy.trigger.ms ?? 0) <= step.world.now;
}

/** What clients told the run: metrics and manual triggers ask policies, messages ask for another plan. */
export function decideSignals(step: Step): void {
  const { state } = step;
  if (!state.plan || state.planning) return;
  for (const signal of state.signals) {
    if (signal.kind === 'message') {
      replan(step, {
        cause: { kind: 'signal', seq: signal.seq, rationale: signal.message },
        values: { ...signal.facets, ...(signal.message === undefined ? {} : { message: signal.message }) },
        otherwise: () => undefined,
      });
      return;
    }
    const occasion = signal.kind === 'manual' ? 'manual' : 'onMetricBelow';
    const policies = state.policies!.runtime.filter(
      (policy) =>
        policy.enabled &&
        policy.trigger.kind === occasion &&
        (signal.kind === 'manual'
          ? signal.policyId === undefined || policy.id === signal.policyId
          : policy.trigger.metric === signal.metric),
    );
    askPolicies(step, occasion, occasionId(occasion, undefined, signal.seq), {
      policies,
      more: { signal: { message: signal.message ?? null, by: signal.by ?? null } },
    });
  }
}

/** Capabilities that went away while nodes still need them: policies first, else another plan. */
export function decideLost(step: Step): void {
  const { state } = step;
  if (!state.plan || state.planning || state.lost.length === 0 || step.held) return;
  const { capabilityId, seq, asked } = state.lost[0]!;
  const node = state.plan.nodes.find(
    (one) => one.capabilityId === capabilityId && state.nodes.get(one.id)?.status === 'pending',
  );
  if (!asked) {
    const requestId = occasionId('onCapabilityLost', undefined, seq);
    const policies = state.policies!.runtime.filter(
      (policy) =>
        policy.enabled &&
        policy.trigger.kind === 'onCapabilityLost' &&
        (policy.trigger.selector?.capabilityId ?? capabilityId) === capabilityId,
    );
    if (
      askPolicies(step, 'onCapabilityLost', requestId, {
        policies,
        more: { lost: { capabilityId, nodeId: node?.id ?? null } },
      })
    )
      return;
  }
  if (state.verdicts.size > 0 || state.triggered.length > 0) return;
  replan(step, {
    cause: { kind: 'capability_lost', seq, nodeId: node?.id, rationale: `${capabilityId} went out of service` },
    exclude: [capabilityId],
    otherwise: () => fail(step, 'CAPABILITY_LOST', `${capabilityId} went out of service and no replan is left`),
  });
}

/** Carries out, one after the other, what policies and people's answers asked for. */
export function decideActions(step: Step): void {
  const triggered = step.state.triggered[0];
  if (!triggered || step.held || step.ended || step.state.planning) return;
  act(step, triggered);
}

function act(step: Step, triggered: TriggeredPolicy): void {
  const { action, policyId, seq, nodeId } = triggered;
  const acted = (done: boolean, more: Record<string, unknown> = {}) =>
    step.emit('policy.acted', `acted:${seq}`, {
      requestId: triggered.requestId,
      policyId,
      trigger: seq,
      action: action.type,
      done,
      ...more,
    });
  switch (action.type) {
    case 'emit':
      acted(true, { event: action.event, payload: action.payload });
      break;
    case 'pause':
      step.emit('run.paused', `paused:${seq}`, { reason: action.reason, policyId, trigger: seq });
      break;
    case 'fail':
      fail(step, 'POLICY_FAILED', action.message ?? `Policy ${policyId} ended the run`, { nodeId });
      break;
    case 'goto':
      goTo(step, triggered, action, acted);
      break;
    case 'hitl':
      askApproval(step, triggered, action);
      break;
    case 'replan':
      replan(step, {
        cause: {
          kind: triggered.taskId ? 'hitl' : 'policy',
          seq,
          policyId,
          taskId: triggered.taskId,
          nodeId,
          rationale: action.rationale ?? triggered.rationale,
        },
        otherwise: (reason) => {
          acted(false, { reason });
          fail(step, 'REPLAN_BUDGET_EXCEEDED', `Policy ${policyId} asks for another plan, but ${reason}`);
        },
      });
      break;
  }
  step.held = true;
}

/** Back to a node: it and everything behind it runs again, a bounded number of times. */
function goTo(
  step: Step,
  triggered: TriggeredPolicy,
  action: Extract<Action, { type: 'goto' }>,
  acted: (done: boolean, more?: Record<string, unknown>) => void,
): void {
  const { state } = step;
  const index = indexOf(state.plan!);
  const count = state.policyCounts[triggered.policyId] ?? 1;
  if (!index.nodes.has(action.next))
    return acted(false, { reason: `there is no node ${action.next} in version ${step.version}` });
  if (count > (action.maxAttempts ?? 1))
    return acted(false, { reason: `it went there ${action.maxAttempts ?? 1} times already` });
  const nodes: string[] = [];
  const queue = [action.next];
  const seen = new Set(queue);
  for (let i = 0; i < queue.length; i++) {
    nodes.push(queue[i]!);
    for (const { to } of index.outgoing.get(queue[i]!) ?? []) if (!seen.has(to)) (seen.add(to), queue.push(to));
  }
  acted(true, { goto: { next: action.next, nodes } });
}

/** A policy wants a person's word before anything goes on. */
function askApproval(step: Step, triggered: TriggeredPolicy, action: Extract<Action, { type: 'hitl' }>): void {
  const node = triggered.nodeId === undefined ? undefined : step.node(triggered.nodeId);
  const taskId = `${step.state.runId}-${step.state.seq}-${step.size}`;
  step.emit('hitl.requested', `task:${taskId}`, {
    task: {
      taskId,
      kind: 'approval',
      prompt: action.rationale ?? triggered.rationale ?? `Policy ${triggered.policyId} asks for approval`,
      nodeId: triggered.nodeId,
      planVersion: step.version,
      policyId: triggered.policyId,
      trigger: triggered.seq,
      approveAction: action.approveAction,
      rejectAction: action.rejectAction ?? {
        type: 'fail',
        message: `Rejected by a person (policy ${triggered.policyId})`,
      },
      contract: node && { facets: node.facets.output, schema: node.outputSchema },
      context: node && (step.outputsOf(node.id) as Record<string, Json> | undefined),
      onTimeout: 'none',
      round: 0,
    },
  });
}
