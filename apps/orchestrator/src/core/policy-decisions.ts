import type { Action, Json } from '@flex/contracts';
import { gotoTargets, performerOf } from '@flex/planning';
import { askPolicies } from './ask-policies.js';
import { fail } from './ending.js';
import { occasionId } from './occasion.js';
import { replan } from './plan-request.js';
import { indexOf, type TriggeredPolicy } from './state.js';
import type { Step } from './step.js';

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
    (one) => performerOf(one) === capabilityId && state.nodes.get(one.id)?.status === 'pending',
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

/** Back to a node, or to those of a capability: it and everything behind it runs again, a bounded number of times. */
function goTo(
  step: Step,
  triggered: TriggeredPolicy,
  action: Extract<Action, { type: 'goto' }>,
  acted: (done: boolean, more?: Record<string, unknown>) => void,
): void {
  const { state } = step;
  const index = indexOf(state.plan!);
  const count = state.policyCounts[triggered.policyId] ?? 1;
  const targets = gotoTargets(state.plan!.nodes, action.next);
  if (targets.length === 0)
    return acted(false, { reason: `there is no node ${action.next} in version ${step.version}` });
  if (count > (action.maxAttempts ?? 1))
    return acted(false, { reason: `it went there ${action.maxAttempts ?? 1} times already` });
  const nodes: string[] = [];
  const queue = [...targets];
  const seen = new Set(queue);
  for (let i = 0; i < queue.length; i++) {
    nodes.push(queue[i]!);
    for (const { to } of index.outgoing.get(queue[i]!) ?? []) {
      if (seen.has(to)) continue;
      seen.add(to);
      queue.push(to);
    }
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
