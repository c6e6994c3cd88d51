import type { FacetValues, PlanNode, TaskAnswer } from '@flex/contracts';
import { validatorFor } from '@flex/planning';
import { toKeys } from './data.js';
import { fail } from './ending.js';
import { completeWith } from './finish-decisions.js';
import { takeOver } from './node-decisions.js';
import { applyEdit, expandReview } from './plan-decisions.js';
import { isFinished } from './progress.js';
import type { OpenTask } from './state.js';
import type { Step } from './step.js';

/** Answers and deadlines of the questions to people. */
export function decideTasks(step: Step): void {
  for (const open of step.state.tasks.values()) {
    if (step.ended) return;
    if (isOvertaken(step, open)) close(step, open, 'withdrawn', undefined, 'overtaken by events');
    else if (open.answer) answered(step, open, open.answer);
    else watch(step, open);
  }
}

/** The node of the task was ended, changed or removed while the person thought. */
function isOvertaken(step: Step, { task }: OpenTask): boolean {
  if (task.kind !== 'output' || !task.nodeId) return false;
  const run = step.state.nodes.get(task.nodeId);
  return !run || (run.taskId !== task.taskId && !isFinished(run));
}

type Outcome = 'answered' | 'timed_out' | 'declined' | 'withdrawn' | 'invalid';

function close(step: Step, open: OpenTask, outcome: Outcome, resolution?: string, reason?: string): void {
  const { taskId } = open.task;
  step.handled.add(taskId);
  step.emit('hitl.closed', `closed:${taskId}`, {
    taskId,
    outcome,
    resolution,
    reason: reason ?? open.answer?.comment,
    by: open.answer?.by,
  });
  if (open.task.kind !== 'output') step.held = true;
}

function answered(step: Step, open: OpenTask, answer: TaskAnswer): void {
  switch (open.task.kind) {
    case 'output':
      return outputAnswered(step, open, answer);
    case 'review':
      return reviewAnswered(step, open, answer);
    case 'approval':
      if (answer.resolution === 'decline') return close(step, open, 'declined', 'reject');
      return close(step, open, 'answered', answer.resolution === 'reject' ? 'reject' : 'approve');
    case 'escalation':
      return escalationAnswered(step, open, answer);
  }
}

/** A person's outputs are validated like anyone's. */
function outputAnswered(step: Step, open: OpenTask, answer: TaskAnswer): void {
  const node = step.node(open.task.nodeId!);
  const run = step.state.nodes.get(open.task.nodeId!)!;
  if (isFinished(run)) return close(step, open, 'answered', answer.resolution);
  if (answer.resolution === 'decline' || answer.resolution === 'reject') {
    const onDecline = node.assignment?.onDecline ?? 'fail';
    if (onDecline === 'requeue' || onDecline === 'escalate') return close(step, open, 'declined', onDecline);
    step.emit('node.failed', `failed:${node.id}:${run.attempt}:declined`, {
      nodeId: node.id,
      attempt: run.attempt,
      error: {
        code: 'DECLINED',
        message: answer.comment ?? 'A person declined the task',
        nodeId: node.id,
        retryable: false,
      },
      final: true,
    });
    return close(step, open, 'declined', 'fail');
  }
  const outputs = outputsOf(node, open, answer);
  const issues = validatorFor(node.outputSchema)(toKeys(node, outputs));
  if (issues.length > 0) {
    step.emit('validation.failed', `invalid:${open.task.taskId}:${step.state.seq}`, {
      scope: 'answer',
      taskId: open.task.taskId,
      nodeId: node.id,
      issues,
    });
    return;
  }
  takeOver(step, node, run.attempt, outputs, true);
  close(step, open, 'answered', answer.resolution);
}

/** Outputs by facet; a plain answer is the value of the only facet that is asked for, an approval takes what was shown. */
function outputsOf(node: PlanNode, open: OpenTask, answer: TaskAnswer): FacetValues {
  if (answer.output) return answer.output;
  if (answer.resolution === 'approve') {
    const shown = Object.entries(open.task.context ?? {});
    return Object.fromEntries(shown.filter(([facet]) => node.facets.output.includes(facet)));
  }
  const only = node.facets.output[0];
  if (only === undefined) return {};
  if (answer.answer !== undefined) return { [only]: answer.answer };
  return {};
}

function reviewAnswered(step: Step, open: OpenTask, answer: TaskAnswer): void {
  if (answer.resolution === 'reject' || answer.resolution === 'decline')
    return fail(step, 'REVIEW_REJECTED', answer.comment ?? 'The plan was rejected before its execution');
  const { taskId } = open.task;
  const { plan, planning, stuck } = step.state;
  const isUnderWay = [plan, planning, stuck].some((at) => at?.cause.taskId === taskId);
  if (answer.resolution === 'edit' && !isUnderWay && !edited(step, taskId, answer)) {
    step.held = true;
    return;
  }
  close(step, open, 'answered', answer.resolution === 'edit' ? 'edit' : 'approve');
}

/** False when the edit was refused: the question stays open. */
function edited(step: Step, taskId: string, answer: TaskAnswer): boolean {
  if (answer.branches?.length) return expandReview(step, taskId, answer);
  const cause = { kind: 'review' as const, taskId, seq: step.state.seq, rationale: answer.comment };
  return applyEdit(step, { operations: answer.operations, baseVersion: answer.baseVersion }, cause, taskId, 'review');
}

function escalationAnswered(step: Step, open: OpenTask, answer: TaskAnswer): void {
  if (answer.resolution === 'reject' || answer.resolution === 'decline')
    return fail(step, 'NO_PLAN', answer.comment ?? 'No valid plan was found, and a person ended the run', {
      diagnostics: open.task.diagnostics,
    });
  if (answer.resolution === 'output' && answer.output) return completeWith(step, open, answer.output);
  close(step, open, 'answered', 'approve');
}

/** Reminders and deadlines. */
function watch(step: Step, open: OpenTask): void {
  const { task } = open;
  const { now } = step.world;
  if (task.dueAt !== undefined && task.dueAt <= now) return late(step, open);
  if (task.remindAt !== undefined && task.remindAt <= now && !open.reminded)
    step.emit('hitl.reminded', `reminded:${task.taskId}`, { taskId: task.taskId, dueAt: task.dueAt });
}

function late(step: Step, open: OpenTask): void {
  const { task } = open;
  const run = task.nodeId === undefined ? undefined : step.state.nodes.get(task.nodeId);
  if (task.onTimeout === 'none') return;
  if (task.kind === 'review' && task.onTimeout !== 'approve')
    return fail(step, 'REVIEW_TIMED_OUT', 'Nobody reviewed the plan in time');
  if (task.kind === 'output' && task.onTimeout === 'fail' && run && task.nodeId) {
    step.emit('node.failed', `failed:${task.nodeId}:${run.attempt}:late`, {
      nodeId: task.nodeId,
      attempt: run.attempt,
      error: { code: 'TIMEOUT', message: 'Nobody answered in time', nodeId: task.nodeId, retryable: false },
      final: true,
    });
    return close(step, open, 'timed_out', 'fail');
  }
  close(
    step,
    open,
    'timed_out',
    task.onTimeout === 'escalate' ? 'escalate' : task.onTimeout,
    'nobody answered in time',
  );
}
