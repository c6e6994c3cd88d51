import type { Action, FacetValues, Json, PlanNode } from '@flex/contracts';
import { checkConstraints, compileCondition, composeOutput, holds, validatorFor } from '@flex/planning';
import { fail } from './decide.js';
import { occasionId } from './evolve.js';
import { conditionOver, mappingContext } from './node-decisions.js';
import { replan } from './plan-decisions.js';
import { askPolicies } from './policy-decisions.js';
import type { OpenTask } from './state.js';
import type { Step } from './step.js';

/** All nodes are done: goal conditions, then the output against its contract, and only then the end. */
export function decideFinish(step: Step): void {
  const { state } = step;
  if (state.goalFailed) return missed(step);
  if (step.unfinished > 0 || state.fallen.size > 0 || step.dead.length > 0 || state.dead.size > 0) return;
  if (state.verdicts.size > 0 || state.triggered.length > 0 || state.edits.length > 0 || state.signals.length > 0)
    return;
  if (state.tasks.size > 0 && [...state.tasks.keys()].some((taskId) => !step.handled.has(taskId))) return;
  // An occasion of this very step is a verdict to wait for.
  if (step.asks) return;
  const broken = brokenGoals(step);
  if (broken.length > 0) {
    step.emit('goal.failed', `goal:${step.version}:${state.replans}`, { conditions: broken });
    return;
  }
  const output = composeOutput(state.plan!.output, mappingContext(step));
  conclude(step, output, state.plan!.output.schema);
}

function conclude(step: Step, output: Json | undefined, schema: Parameters<typeof validatorFor>[0]): void {
  const issues =
    output === undefined
      ? [{ pointer: '', message: 'nothing was composed: the facets of the output are missing' }]
      : validatorFor(schema)(output);
  const checked = checkConstraints(step.state.envelope.outputContract.constraints, output ?? null, step.facets());
  const hard = checked.results.filter((result) => result.level === 'hard' && !result.holds);
  if (issues.length === 0 && hard.length === 0) {
    const judged = checked.results.length > 0;
    step.emit('run.completed', 'completed', {
      output: output!,
      satisfaction: judged ? checked.satisfaction : undefined,
      constraints: judged
        ? step.state.envelope.outputContract.constraints?.map((constraint, i) => ({
            ...constraint,
            holds: checked.results[i]?.holds ?? true,
          }))
        : undefined,
    });
    step.ended = true;
    return;
  }
  const all =
    issues.length > 0
      ? issues
      : hard.map((result) => ({
          pointer: '',
          message: `the hard constraint ${result.constraintId} does not hold`,
          keyword: 'constraint',
        }));
  step.emit('validation.failed', `invalid:output:${step.version}:${step.state.replans}`, {
    scope: issues.length > 0 ? 'output' : 'constraint',
    issues: all,
  });
  askPolicies(
    step,
    'onValidationFail',
    occasionId('onValidationFail', undefined, `${step.version}.${step.state.replans}`),
    { issues: all },
  );
  step.held = true;
}

/** Goal conditions of the envelope that do not hold. */
function brokenGoals(step: Step): { facet: string; pointer?: string; message: string }[] {
  return (step.state.envelope.goalConditions ?? []).flatMap((goal) => {
    const compiled = compileCondition(goal.condition);
    // Conditions were compiled when the run was submitted; one that no longer compiles does not hold.
    if (compiled.ok && holds(compiled.logic, conditionOver(step, step.facet(goal.facet), goal.pointer))) return [];
    const message = goal.description ?? `the goal condition on ${goal.facet}${goal.pointer ?? ''} does not hold`;
    return [{ facet: goal.facet, pointer: goal.pointer, message }];
  });
}

/** The goal was missed: another plan, while the budget lasts. */
function missed(step: Step): void {
  const { seq, message } = step.state.goalFailed!;
  const give = (reason: string) =>
    fail(step, 'GOAL_NOT_REACHED', `The output does not meet the contract: ${message} (${reason})`);
  if (step.state.plan!.metadata.planner.runtime === 'client') return give("the plan is the client's own");
  replan(step, { cause: { kind: 'goal_condition', seq, rationale: message }, otherwise: give });
}

/** A person gave the output that no plan could. */
export function completeWith(step: Step, open: OpenTask, output: FacetValues): void {
  const contract = step.state.envelope.outputContract;
  const value: Json = contract.mode === 'facets' ? output : (output['output'] ?? null);
  const schema = open.task.contract!.schema;
  const issues = validatorFor(schema)(output);
  if (issues.length > 0) {
    step.emit('validation.failed', `invalid:${open.task.taskId}:${step.state.seq}`, {
      scope: 'answer',
      taskId: open.task.taskId,
      issues,
    });
    step.held = true;
    return;
  }
  step.handled.add(open.task.taskId);
  step.emit('hitl.closed', `closed:${open.task.taskId}`, {
    taskId: open.task.taskId,
    outcome: 'answered',
    resolution: 'output',
    by: open.answer?.by,
  });
  step.emit('run.completed', 'completed', { output: value });
  step.ended = true;
}

/** Wall time used up. */
export function decideBudget(step: Step): void {
  const { state, world } = step;
  const wall = state.policies!.budget.maxWallMs;
  if (wall !== undefined && !state.budgetLifted && world.now >= state.submittedAt + wall)
    actOnBudget(step, `the wall time of ${wall} ms is used up`);
}

/** Why starting the node would cross a hard limit of the run; undefined when it may start. */
export function wouldCross(step: Step, node: PlanNode): string | undefined {
  const { state } = step;
  const { maxTokens, maxCost, maxNodes } = state.policies!.budget;
  if (state.budgetLifted) return undefined;
  if (maxNodes !== undefined && state.spent.dispatched + step.dispatches >= maxNodes)
    return `the ${maxNodes} nodes are used up`;
  if (
    maxTokens !== undefined &&
    state.spent.tokens + underWay(step, 'tokens') + (node.estimate?.tokens ?? 0) > maxTokens
  )
    return `"${node.label}" would cross the ${maxTokens} tokens`;
  if (maxCost !== undefined && state.spent.cost + underWay(step, 'cost') + (node.estimate?.cost ?? 0) > maxCost)
    return `"${node.label}" would cross the cost of ${maxCost}`;
  return undefined;
}

const underWay = (step: Step, what: 'tokens' | 'cost'): number => {
  let sum = 0;
  for (const nodeId of [...step.state.active, ...step.dispatched]) sum += step.node(nodeId)?.estimate?.[what] ?? 0;
  return sum;
};

/** The budget's action, once: a person who approves lifts the limit. */
export function actOnBudget(step: Step, reason: string): void {
  const action: Action = step.state.policies!.budget.action;
  step.held = true;
  switch (action.type) {
    case 'hitl': {
      const taskId = `${step.state.runId}-${step.state.seq}-${step.size}`;
      step.emit('hitl.requested', `task:${taskId}`, {
        task: {
          taskId,
          kind: 'approval',
          prompt: action.rationale ?? `The budget of the run is reached: ${reason}. Approve to go on without limit.`,
          policyId: 'budget',
          approveAction: action.approveAction,
          rejectAction: action.rejectAction ?? { type: 'fail', message: `Budget: ${reason}` },
          planVersion: step.version,
          onTimeout: 'none',
          round: 0,
        },
      });
      return;
    }
    case 'pause':
      step.emit('run.paused', `paused:budget:${step.state.seq}`, {
        reason: action.reason ?? reason,
        policyId: 'budget',
      });
      return;
    case 'replan':
      return replan(step, {
        cause: { kind: 'policy', policyId: 'budget', rationale: action.rationale ?? reason },
        otherwise: (why) => fail(step, 'BUDGET_EXCEEDED', `Budget: ${reason}, and ${why}`),
      });
    default:
      return fail(
        step,
        'BUDGET_EXCEEDED',
        action.type === 'fail' && action.message ? `${action.message}: ${reason}` : `Budget: ${reason}`,
      );
  }
}
