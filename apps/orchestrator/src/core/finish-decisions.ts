import type { FacetValues, Json } from '@flex/contracts';
import { checkConstraints, compileCondition, composeOutput, holds, validatorFor } from '@flex/planning';
import { askPolicies } from './ask-policies.js';
import { conditionOver, outputFacets } from './data.js';
import { fail } from './ending.js';
import { occasionId } from './occasion.js';
import { replan } from './plan-request.js';
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
  const output = composeOutput(state.plan!.output, outputFacets(step));
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
