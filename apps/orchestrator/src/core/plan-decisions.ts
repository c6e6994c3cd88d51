import type { EventData, PlanCause, PlannerDiagnostic, PlanGraph, TaskAnswer } from '@flex/contracts';
import { diffPlans, mergeDelta, requestedBranches, validateDelta, validateDraft } from '@flex/planning';
import { askPolicies } from './ask-policies.js';
import { fail } from './ending.js';
import { isFinal } from './is-final.js';
import { occasionId } from './occasion.js';
import { firstError, initialRequest, question, replan, request } from './plan-request.js';
import { isFinished } from './progress.js';
import type { Edit, Planning } from './state.js';
import type { Step } from './step.js';

/** The first plan: the client's own, or a planner is asked. */
export function startPlanning(step: Step): void {
  const { plan } = step.state.envelope;
  if (!plan) return request(step, initialRequest(step), 1, []);
  const result = validateDraft(question(step), plan, {
    runtime: { runtime: 'client' },
    attempts: 1,
    cause: { kind: 'initial' },
  });
  if (result.plan) return generated(step, result.plan, result.diagnostics, { attempt: 1 });
  step.emit('plan.rejected', 'rejected:own', {
    requestId: 'own',
    attempt: 1,
    phase: 'initial',
    diagnostics: result.diagnostics,
  });
  fail(step, 'PLAN_INVALID', `The envelope's plan is not valid: ${firstError(result.diagnostics)}`, {
    diagnostics: result.diagnostics,
  });
}

/** A person said to try again what no planner could: the same question once more, with the registry as it is now. */
export function decideStuck(step: Step): void {
  const { stuck, planning, planRounds } = step.state;
  if (!stuck?.again || planning || step.held) return;
  const { cause, values, branchRequests } = stuck;
  request(step, { requestId: `replan-${planRounds}`, phase: 'replan', cause, values, branchRequests }, 1, []);
}

/** Judges the planner's answer: accepted, or sent back with what was found, a bounded number of times. */
export function decidePlanning(step: Step): void {
  const { state, world } = step;
  const { planning } = state;
  if (!planning || step.held) return;
  if (planning.refused) return again(step, planning, planning.refused, planning.final ?? false);
  if (!planning.answer) {
    if (planning.deadline !== undefined && planning.deadline <= world.now)
      refuse(step, planning, [
        {
          code: 'PLANNER_UNAVAILABLE',
          severity: 'error',
          message: 'No planner answered in time',
          suggestion: 'Check that the planner service is running',
        },
      ]);
    return;
  }
  if (planning.answer.kind === 'failed') return refuse(step, planning, planning.answer.diagnostics);
  const { draft, delta, selections, proven, usage, diagnostics: notes = [] } = planning.answer;
  if (planning.phase === 'initial') {
    if (!draft) return refuse(step, planning, [malformed('The answer has no draft')]);
    const result = validateDraft(question(step), draft, {
      selections,
      proven,
      attempts: planning.attempt,
      cause: planning.cause,
    });
    if (result.plan)
      return generated(step, result.plan, joined(notes, result.diagnostics), {
        requestId: planning.requestId,
        attempt: planning.attempt,
        usage,
      });
    return refuse(step, planning, joined(notes, result.diagnostics), { draft, usage });
  }
  if (!delta) return refuse(step, planning, [malformed('The answer has no delta')]);
  const result = validateDelta(question(step), state.plan!, progressOf(step), delta, {
    selections,
    proven,
    attempts: planning.attempt,
    cause: planning.cause,
  });
  if (!result.delta) return refuse(step, planning, joined(notes, result.diagnostics), { delta, usage });
  updated(step, result.delta, planning.cause, joined(notes, result.diagnostics), {
    requestId: planning.requestId,
    attempt: planning.attempt,
    usage,
  });
}

/** The planner's notes before the findings of validation, each once. */
function joined(notes: readonly PlannerDiagnostic[], findings: readonly PlannerDiagnostic[]): PlannerDiagnostic[] {
  const byText = new Map(
    [...notes, ...findings].map((each) => [`${each.code}\n${each.nodeId}\n${each.message}`, each]),
  );
  return [...byText.values()];
}

const malformed = (message: string): PlannerDiagnostic => ({ code: 'DRAFT_MALFORMED', severity: 'error', message });

function refuse(
  step: Step,
  planning: Planning,
  diagnostics: PlannerDiagnostic[],
  kept: Pick<EventData<'plan.rejected'>, 'draft' | 'delta' | 'usage'> = {},
): void {
  step.emit('plan.rejected', `rejected:${planning.requestId}:${planning.attempt}`, {
    requestId: planning.requestId,
    attempt: planning.attempt,
    phase: planning.phase,
    diagnostics,
    ...kept,
  });
  again(step, planning, diagnostics, isFinal({ ...kept, diagnostics }));
}

/** The next attempt with the findings of this one; after the last one a person is asked. */
function again(step: Step, planning: Planning, diagnostics: PlannerDiagnostic[], final: boolean): void {
  step.held = true;
  const attemptsLeft = !planning.deterministicOnly && planning.attempt <= step.world.settings.planAttempts;
  if (attemptsLeft && !final) return request(step, planning, planning.attempt + 1, diagnostics);
  escalate(step, planning, diagnostics);
}

function escalate(step: Step, planning: Planning, diagnostics: PlannerDiagnostic[]): void {
  const { state, world } = step;
  if (state.escalations >= world.settings.maxEscalations)
    return fail(step, 'NO_PLAN', `No valid plan was found: ${firstError(diagnostics)}`, { diagnostics });
  const taskId = `${state.runId}-${state.seq}-${step.size}`;
  step.emit('hitl.requested', `task:${taskId}`, {
    task: {
      taskId,
      kind: 'escalation',
      prompt: `Flex found no valid ${planning.phase === 'initial' ? 'plan' : 'new version of the plan'} for "${state.envelope.objective.slice(0, 200)}": ${firstError(diagnostics)} Approve to plan again (when capabilities or facets were added), give the output yourself, or reject to end the run.`,
      planVersion: state.plan?.version,
      diagnostics,
      contract: escalationContract(step),
      onTimeout: 'none',
      round: state.escalations,
    },
  });
}

function escalationContract(step: Step) {
  const contract = step.state.envelope.outputContract;
  if (contract.mode === 'json_schema')
    return {
      facets: ['output'],
      schema: { type: 'object' as const, required: ['output'], properties: { output: contract.schema } },
    };
  if (contract.mode === 'facets')
    return { facets: contract.facets, schema: { type: 'object' as const, required: contract.facets } };
  return { facets: ['output'], schema: { type: 'object' as const, required: ['output'] } };
}

function generated(
  step: Step,
  plan: PlanGraph,
  diagnostics: PlannerDiagnostic[],
  about: { requestId?: string; attempt: number; usage?: EventData<'plan.generated'>['usage'] },
): void {
  step.emit('plan.generated', 'generated:1', {
    ...about,
    plan,
    diagnostics: diagnostics.length ? diagnostics : undefined,
  });
  step.held = true;
}

function updated(
  step: Step,
  delta: EventData<'plan.updated'>['delta'],
  cause: PlanCause,
  diagnostics: PlannerDiagnostic[],
  about: { requestId?: string; attempt: number; usage?: EventData<'plan.updated'>['usage'] },
): void {
  const plan = mergeDelta(step.state.plan!, delta, { cause });
  step.emit('plan.updated', `updated:${plan.version}`, {
    ...about,
    previousVersion: step.version,
    version: plan.version,
    versionTag: plan.versionTag,
    delta,
    diff: diffPlans(step.state.plan!, plan),
    cause,
    diagnostics: diagnostics.length ? diagnostics : undefined,
  });
  const nodes = delta.cancelNodes
    .filter((nodeId) => step.state.active.has(nodeId))
    .map((nodeId) => ({
      nodeId,
      attempt: step.state.nodes.get(nodeId)!.attempt,
      reason: 'not in the next version of the plan',
    }));
  if (nodes.length > 0) step.emit('node.cancelled', `cancelled:${plan.version}`, { nodes });
  step.held = true;
}

function progressOf(step: Step) {
  const completed = new Set<string>();
  const running = new Set<string>();
  const failed = new Set<string>();
  for (const [nodeId, run] of step.state.nodes) {
    if (isFinished(run) || step.outputsOf(nodeId)) completed.add(nodeId);
    else if (run.status === 'running' || run.status === 'awaiting_human') running.add(nodeId);
    else if (run.status === 'failed') failed.add(nodeId);
  }
  return { completed, running, failed };
}

/** What happens right after version 1 and before any work: a review, or policies on the start. */
export function decideOpening(step: Step): void {
  const { state } = step;
  if (!state.plan || state.planning || step.held) return;
  const review = state.envelope.review;
  if (review && (review === true || review.required) && !state.review) {
    const options = review === true ? undefined : review;
    const taskId = `${state.runId}-${state.seq}-${step.size}`;
    step.emit('hitl.requested', `task:${taskId}`, {
      task: {
        taskId,
        kind: 'review',
        prompt: `Approve, edit or reject the plan for "${state.envelope.objective.slice(0, 200)}"`,
        planVersion: step.version,
        assignment: options?.assignee ? { assignee: options.assignee } : undefined,
        dueAt: options?.deadlineSeconds ? step.world.now + options.deadlineSeconds * 1000 : undefined,
        remindAt: options?.deadlineSeconds ? step.world.now + options.deadlineSeconds * 800 : undefined,
        onTimeout: options?.deadlineSeconds ? (options.onTimeout ?? 'reject') : 'none',
        round: 0,
      },
    });
    step.held = true;
    return;
  }
  if (state.review && !state.review.done) return;
  if (state.spent.dispatched === 0) askPolicies(step, 'onStart', occasionId('onStart', undefined, 1), {});
}

/** An upstream output asks for branches (a strategist with three directions): the next version of the plan has them. */
export function decideBranches(step: Step): void {
  const { state, world } = step;
  const plan = state.plan!;
  if (!world.settings.dynamicPlanning || state.envelope.planning?.dynamic === false) return;
  if (plan.metadata.planner.runtime === 'client') return;
  const known = new Set(plan.metadata.branches.map((branch) => branch.id));
  for (const nodeId of [...state.expandable, ...step.acceptedNodes]) {
    const branches = requestedBranches(world.registry, step.outputsOf(nodeId) ?? {}).filter(
      (branch) => !known.has(branch.id),
    );
    if (branches.length === 0) continue;
    return replan(step, {
      cause: {
        kind: 'branch',
        nodeId,
        rationale: `"${step.node(nodeId).label}" asks for ${branches.map((branch) => branch.label).join(', ')}`,
      },
      branchRequests: branches.map((branch) => ({ ...branch, from: nodeId })),
      otherwise: () => undefined,
    });
  }
}

/** Edits by operators: the same validation as for a planner's delta. */
export function decideEdits(step: Step): void {
  const edit = step.state.edits[0];
  if (!edit || !step.state.plan || step.state.planning || step.held) return;
  if (!edit.operations)
    return replan(step, {
      cause: { kind: 'operator', seq: edit.seq, rationale: edit.rationale },
      branchRequests: edit.branches,
      otherwise: (reason) => refuseEdit(step, String(edit.seq), 'edit', [spentBudget(reason)]),
    });
  applyEdit(step, edit, { kind: 'operator', seq: edit.seq, rationale: edit.rationale }, String(edit.seq), 'edit');
}

/** Applies operations of a person; true when the next version stands. */
export function applyEdit(
  step: Step,
  edit: Pick<Edit, 'operations' | 'baseVersion'>,
  cause: PlanCause,
  requestId: string,
  phase: 'edit' | 'review',
): boolean {
  const delta = { baseVersion: edit.baseVersion ?? step.version, operations: edit.operations ?? [] };
  const result = validateDelta(question(step), step.state.plan!, progressOf(step), delta, {
    runtime: { runtime: 'operator' },
    attempts: 1,
    cause,
  });
  if (result.delta) updated(step, result.delta, cause, result.diagnostics, { requestId, attempt: 1 });
  else refuseEdit(step, requestId, phase, result.diagnostics, edit.operations);
  return result.delta !== undefined;
}

/** Branches that a reviewer asks for before anything runs: a planner is asked for the next version; true when it is. */
export function expandReview(step: Step, taskId: string, { branches, comment }: TaskAnswer): boolean {
  let asked = true;
  replan(step, {
    cause: { kind: 'review', taskId, rationale: comment },
    branchRequests: branches,
    otherwise: (reason) => {
      asked = false;
      refuseEdit(step, taskId, 'review', [spentBudget(reason)]);
    },
  });
  return asked;
}

const spentBudget = (reason: string): PlannerDiagnostic => ({
  code: 'BUDGET_EXCEEDED',
  severity: 'error',
  message: `No other plan: ${reason}`,
});

function refuseEdit(
  step: Step,
  requestId: string,
  phase: 'edit' | 'review',
  diagnostics: PlannerDiagnostic[],
  operations?: Edit['operations'],
): void {
  step.emit('plan.rejected', `rejected:${requestId}:${step.state.seq}`, {
    requestId,
    attempt: 1,
    phase,
    diagnostics,
    operations,
  });
}
