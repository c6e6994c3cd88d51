import { capabilityKey, type Failure, type FacetValues, type HumanTask, type PlanNode } from '@flex/contracts';
import { evaluateMapping, holds, performerOf } from '@flex/planning';
import { askPolicies, completionPolicies } from './ask-policies.js';
import { actOnBudget, wouldCross } from './budget-decisions.js';
import { conditionOver, outputIssues, resolveInputs, toKeys } from './data.js';
import { fail } from './ending.js';
import { isAwaited, ranOnAfter } from './fold-reports.js';
import { softDue } from './due.js';
import { occasionId } from './occasion.js';
import { replan } from './plan-request.js';
import { TAKEN } from './progress.js';
import { nextSteps, workOf } from './run-on.js';
import { indexOf, isHeld, type NodeRun } from './state.js';
import type { Step } from './step.js';

/** Judges what workers have reported: accepted, or tried again. */
export function decideReports(step: Step): void {
  const { state } = step;
  for (const nodeId of state.reported) {
    const run = state.nodes.get(nodeId)!;
    const node = step.node(nodeId);
    if (!node || !run.report || step.handled.has(nodeId) || isAwaited(state, nodeId)) continue;
    if (run.report.error) {
      failAttempt(step, node, run, run.report.error);
      continue;
    }
    const outputs = run.report.outputs ?? {};
    const issues = run.judged ?? outputIssues(step, node, outputs);
    if (issues.length > 0) {
      if (!run.judged) {
        step.emit('validation.failed', `invalid:${nodeId}:${run.attempt}`, {
          scope: 'node_output',
          nodeId,
          attempt: run.attempt,
          issues,
        });
        askPolicies(step, 'onValidationFail', occasionId('onValidationFail', nodeId, run.attempt), { node, issues });
      }
      failAttempt(step, node, run, {
        code: 'OUTPUT_INVALID',
        message: `The output of "${node.label}" breaks its contract: ${issues[0]!.pointer} ${issues[0]!.message}`,
        issues,
      });
      continue;
    }
    takeOver(step, node, run.attempt, outputs, false);
  }
}

/** Accepts outputs; where a policy can match the node, what follows waits for the verdict. */
export function takeOver(
  step: Step,
  node: PlanNode,
  attempt: number,
  outputs: FacetValues,
  made: boolean,
  taken?: string[],
): void {
  const acceptance = { nodeId: node.id, attempt, ...(made ? { outputs } : {}), ...(taken ? { taken } : {}) };
  const policies = completionPolicies(step, node);
  if (policies.length === 0) {
    step.accept(acceptance, taken ? { ...outputs, [TAKEN]: taken } : outputs);
    return;
  }
  step.accept(acceptance, outputs, true);
  askPolicies(step, 'onNodeComplete', occasionId('onNodeComplete', node.id, attempt), {
    node,
    outputs,
    accepted: [acceptance],
    policies,
  });
}

/** An attempt failed: again after a pause, or for good. */
export function failAttempt(step: Step, node: PlanNode, run: NodeRun, error: Failure): void {
  // What its worker made of a result that does not count is not looked at.
  for (const nodeId of [node.id, ...ranOnAfter(step.state, node.id)]) step.handled.add(nodeId);
  const { maxAttempts, backoffMs, factor } = node.retry;
  const again = error.retryable !== false && run.tries < maxAttempts;
  step.emit('node.failed', `failed:${node.id}:${run.attempt}`, {
    nodeId: node.id,
    attempt: run.attempt,
    error: { ...error, nodeId: node.id },
    final: !again,
    ...(again
      ? { retryAt: step.world.now + Math.round((backoffMs ?? 0) * (factor ?? 1) ** Math.max(0, run.tries - 1)) }
      : {}),
  });
}

/** Deadlines of running nodes, and moments at which onTimeout policies are asked. */
export function decideLate(step: Step): void {
  const { state, world } = step;
  if (world.now < state.due) return;
  for (const nodeId of state.active) {
    const run = state.nodes.get(nodeId)!;
    const node = step.node(nodeId);
    if (!node || step.handled.has(nodeId) || run.status !== 'running' || run.report) continue;
    if (softDue(state, nodeId, run) > world.now) continue;
    askPolicies(step, 'onTimeout', occasionId('onTimeout', nodeId, `${run.attempt}.${run.asked?.length ?? 0}`), {
      node,
    });
    if (run.deadline !== undefined && run.deadline <= world.now)
      failAttempt(step, node, run, {
        code: 'TIMEOUT',
        message: `"${node.label}" did not answer within ${node.timeoutMs} ms`,
        retryable: true,
      });
  }
}

/** Nodes that failed for good: the next candidate, then a person, then another plan, then the end. */
export function decideFallen(step: Step): void {
  const { state } = step;
  if (step.held || isHeld(state)) return;
  for (const nodeId of state.fallen) {
    const node = step.node(nodeId);
    const run = state.nodes.get(nodeId)!;
    if (!node) continue;
    const reason = run.error?.message ?? 'failed';
    const next = node.fallback[run.candidate];
    const personNext =
      node.kind === 'fallback' && run.candidate === node.fallback.length && performerOf(node) !== undefined;
    const standIn = standInOf(step, nodeId);
    if (next !== undefined || personNext || standIn !== undefined) {
      step.emit('plan.fallback_chosen', `fallback:${nodeId}:${run.candidate}:${run.attempt}`, {
        nodeId,
        from: run.candidate === 0 ? performerOf(node) : node.fallback[run.candidate - 1],
        to: next,
        standIn: next === undefined && !personNext ? standIn : undefined,
        facets: node.facets.output,
        reason,
      });
      continue;
    }
    const planned = state.plan!.metadata.planner.runtime;
    if (planned !== 'client' && step.state.envelope.planning?.dynamic !== false && node.agentType !== 'human') {
      replan(step, {
        cause: { kind: 'retries_exhausted', nodeId, rationale: reason },
        exclude: [performerOf(node)].filter((id) => id !== undefined),
        otherwise: () =>
          fail(step, 'NODE_FAILED', `"${node.label}" failed: ${reason}`, { nodeId, issues: run.error?.issues }),
      });
    } else
      fail(step, run.error?.code ?? 'NODE_FAILED', `"${node.label}" failed: ${reason}`, {
        nodeId,
        issues: run.error?.issues,
      });
    return;
  }
}

/** A fallback node that waits for this one to fail. */
function standInOf(step: Step, nodeId: string): string | undefined {
  const { nodes, outgoing } = indexOf(step.state.plan!);
  return outgoing
    .get(nodeId)
    ?.map((edge) => edge.to)
    .find((to) => nodes.get(to)!.kind === 'fallback' && step.state.nodes.get(to)?.status === 'pending');
}

export function skipDead(step: Step): void {
  const nodes = [...step.state.dead, ...step.dead].map((nodeId) => ({ nodeId, reason: 'no path to it was taken' }));
  if (nodes.length > 0)
    step.emit('node.skipped', `skipped:${nodes[0]!.nodeId}:${step.version}:${nodes.length}`, { nodes });
}

/** Starts everything that is ready; engine nodes are carried out on the spot, and what they make ready with them. */
export function decideReady(step: Step): void {
  const { state } = step;
  for (const nodeId of state.retrying) {
    const run = state.nodes.get(nodeId)!;
    if ((run.retryAt ?? 0) <= step.world.now) start(step, nodeId, run);
    if (step.ended || step.held) return;
  }
  for (const nodeId of state.ready) {
    start(step, nodeId, state.nodes.get(nodeId)!);
    if (step.ended || step.held) return;
  }
  // Grows while engine nodes complete.
  for (let i = 0; i < step.ready.length; i++) {
    start(step, step.ready[i]!, state.nodes.get(step.ready[i]!)!);
    if (step.ended || step.held) return;
  }
}

function start(step: Step, nodeId: string, run: NodeRun): void {
  const node = step.node(nodeId);
  if (!node || step.handled.has(nodeId)) return;
  step.handled.add(nodeId);
  const inputs = resolveInputs(step, node);
  const missing = node.facets.input.filter(
    (facet) => inputs[facet] === undefined && !node.facets.optional?.includes(facet),
  );
  if (missing.length > 0)
    return failBeforeStart(
      step,
      node,
      run,
      'INPUT_MISSING',
      `"${node.label}" needs ${missing.join(', ')}, which nothing has provided`,
    );
  const broken = node.preConditions?.find(
    (condition) =>
      !holds(
        condition.condition,
        conditionOver(step, inputs[condition.facet] ?? step.facet(condition.facet), condition.pointer),
      ),
  );
  if (broken)
    return failBeforeStart(
      step,
      node,
      run,
      'PRECONDITION_FAILED',
      `"${node.label}" may not start: ${broken.description ?? `its condition on ${broken.facet} does not hold`}`,
    );
  if (node.kind === 'branch' && !node.capabilityId)
    return takeOver(step, node, run.attempt + 1, node.inputs ?? {}, true);
  if (node.kind === 'routing' && node.routes)
    return takeOver(step, node, run.attempt + 1, {}, true, chooseRoute(step, node));
  if (node.mapping) return transform(step, node, run);
  const capabilityId = run.candidate === 0 ? performerOf(node) : node.fallback[run.candidate - 1];
  const registered = capabilityId === undefined ? undefined : step.world.registry.capabilities.get(capabilityId);
  const human =
    capabilityId === undefined ||
    (run.candidate === 0 ? node.agentType === 'human' : registered?.agentType === 'human');
  if (human) return askPerson(step, node, run, inputs);
  const crossed = wouldCross(step, node);
  if (crossed) return actOnBudget(step, crossed);
  // What a worker was told of and left to others keeps its name.
  const attempt = run.named?.attempt ?? run.attempt + 1;
  const key =
    run.candidate === 0 ? (node.capabilityKey ?? capabilityId) : capabilityKey(capabilityId, registered?.tenant);
  step.emit(
    'node.dispatched',
    `dispatch:${nodeId}:${attempt}`,
    {
      ...workOf(step, node, attempt),
      planVersion: step.version,
      capabilityId,
      inputs: toKeys(node, inputs),
      tenant: step.state.tenant,
      correlationId: step.state.correlationId,
      next: nextSteps(step, node, key),
    },
    key,
  );
}

/** A node that cannot even start has no attempt to try again. */
function failBeforeStart(step: Step, node: PlanNode, run: NodeRun, code: string, message: string): void {
  step.emit('node.failed', `failed:${node.id}:${run.attempt}:start:${step.version}`, {
    nodeId: node.id,
    attempt: run.attempt,
    error: { code, message, nodeId: node.id, retryable: false },
    final: true,
  });
}

function chooseRoute(step: Step, node: PlanNode): string[] {
  const context = step.conditionContext();
  const chosen = node.routes!.find((route) => route.condition === undefined || holds(route.condition, context));
  return chosen ? [chosen.to] : [];
}

/** Reshapes by the node's mapping; what it makes is validated like anyone's output. */
function transform(step: Step, node: PlanNode, run: NodeRun): void {
  // A mapping reads only what its node reads: validation has made sure of it.
  const context = { ...node.inputs, ...resolveInputs(step, node) };
  const outputs: FacetValues = {};
  for (const [facet, mapping] of Object.entries(node.mapping!)) {
    const value = evaluateMapping(mapping, context);
    if (value !== undefined) outputs[facet] = value;
  }
  const issues = outputIssues(step, node, outputs);
  if (issues.length === 0) return takeOver(step, node, run.attempt + 1, outputs, true);
  step.emit('validation.failed', `invalid:${node.id}:${run.attempt}:${step.version}`, {
    scope: 'node_output',
    nodeId: node.id,
    issues,
  });
  askPolicies(step, 'onValidationFail', occasionId('onValidationFail', node.id, `${run.attempt}.${step.version}`), {
    node,
    issues,
  });
  failBeforeStart(
    step,
    node,
    run,
    'OUTPUT_INVALID',
    `What "${node.label}" makes breaks its contract: ${issues[0]!.pointer} ${issues[0]!.message}`,
  );
}

const MAX_ROUNDS = 5;

/** A person does the node's work: asked for its outputs, against its schema. */
function askPerson(step: Step, node: PlanNode, run: NodeRun, inputs: FacetValues): void {
  const round = run.round ?? 0;
  if (round >= MAX_ROUNDS)
    return failBeforeStart(step, node, run, 'NOBODY_ANSWERED', `Nobody took "${node.label}" in ${MAX_ROUNDS} rounds`);
  const escalated = run.escalate && node.assignment?.escalateTo;
  const assignment = escalated
    ? { ...node.assignment, role: node.assignment!.escalateTo!, assignee: undefined }
    : node.assignment;
  const sla = assignment?.slaSeconds;
  const task: HumanTask = {
    taskId: `${step.state.runId}-${step.state.seq}-${step.size}`,
    kind: 'output',
    prompt: node.instruction || node.label,
    nodeId: node.id,
    attempt: run.attempt + 1,
    planVersion: step.version,
    contract: { facets: node.facets.output, schema: node.outputSchema },
    context: inputs,
    assignment,
    dueAt: sla === undefined ? undefined : step.world.now + sla * 1000,
    remindAt: sla === undefined ? undefined : step.world.now + sla * 800,
    onTimeout: assignment?.onDecline === 'fail' ? 'fail' : 'escalate',
    round,
  };
  step.emit('hitl.requested', `task:${task.taskId}`, { task });
}
