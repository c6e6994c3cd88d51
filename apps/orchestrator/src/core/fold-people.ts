import { type HumanTask, type StoredEvent } from '@flex/contracts';
import { dueAt } from './due.js';
import { occasionId } from './occasion.js';
import { type RunState } from './state.js';

/** The action that a trigger asked for has been carried out, or refused. */
export function done(state: RunState, trigger: number | undefined): void {
  if (trigger !== undefined) state.triggered = state.triggered.filter((triggered) => triggered.seq !== trigger);
}

export function closeTask(state: RunState, event: StoredEvent<'hitl.closed'>): void {
  const open = state.tasks.get(event.data.taskId);
  if (!open) return;
  const { task } = open;
  const { outcome, resolution } = event.data;
  state.tasks.delete(task.taskId);
  if (task.kind === 'review')
    state.review = { taskId: task.taskId, done: resolution === 'approve' || resolution === 'edit' };
  if (task.kind === 'escalation' && state.stuck) state.stuck.again = resolution === 'approve';
  if (task.policyId === 'budget' && resolution === 'approve') state.budgetLifted = true;
  if (task.kind === 'output' && task.nodeId) {
    // Unanswered work is asked for again, in the next round.
    const run = state.nodes.get(task.nodeId);
    if (run?.status === 'awaiting_human' && run.taskId === task.taskId) {
      run.status = 'pending';
      run.taskId = undefined;
      run.round = task.round + 1;
      run.escalate = outcome === 'timed_out' || resolution === 'escalate';
      state.active.delete(task.nodeId);
      state.ready.add(task.nodeId);
    }
  }
  const action =
    resolution === 'approve' ? task.approveAction : resolution === 'reject' ? task.rejectAction : undefined;
  if (action)
    state.triggered.push({
      requestId: occasionId('answer', task.nodeId, event.seq),
      policyId: task.policyId ?? task.taskId,
      action,
      evaluations: [],
      nodeId: task.nodeId,
      rationale: event.data.reason,
      seq: event.seq,
      taskId: task.taskId,
    });
}

export function openTask(state: RunState, task: HumanTask, time: number): void {
  done(state, task.trigger);
  state.tasks.set(task.taskId, { task, askedAt: time });
  if (task.kind === 'review') state.review = { taskId: task.taskId, done: false };
  if (task.kind === 'escalation') {
    state.escalations++;
    if (state.planning?.phase === 'replan') {
      const { cause, values, branchRequests } = state.planning;
      state.stuck = { cause, values, branchRequests, again: false };
    }
    state.planning = state.goalFailed = undefined;
  }
  if (task.kind === 'output' && task.nodeId) {
    const run = state.nodes.get(task.nodeId);
    if (run) {
      run.status = 'awaiting_human';
      run.taskId = task.taskId;
      run.attempt = task.attempt ?? run.attempt;
      run.startedAt ??= time;
      state.ready.delete(task.nodeId);
      state.fallen.delete(task.nodeId);
      state.active.add(task.nodeId);
    }
  }
  if (task.remindAt !== undefined) dueAt(state, task.remindAt);
  if (task.dueAt !== undefined) dueAt(state, task.dueAt);
}
