import type { RunState } from './state.js';
import type { Step } from './step.js';

/** Questions that need no answer any more. */
export function closeTasks(step: Step, reason: string): void {
  for (const taskId of step.state.tasks.keys())
    if (!step.handled.has(taskId)) {
      step.handled.add(taskId);
      step.emit('hitl.closed', `closed:${taskId}`, { taskId, outcome: 'withdrawn', reason });
    }
}

/** Ends the run with an error; work in flight is called off. */
export function fail(
  step: Step,
  code: string,
  message: string,
  more: {
    diagnostics?: NonNullable<RunState['refusedPolicies']>;
    nodeId?: string;
    issues?: { pointer: string; message: string }[];
  } = {},
): void {
  const { state } = step;
  const nodes = [...state.active]
    .filter((nodeId) => !step.handled.has(nodeId))
    .map((nodeId) => ({ nodeId, attempt: state.nodes.get(nodeId)!.attempt, reason: 'the run failed' }));
  if (nodes.length > 0) step.emit('node.cancelled', 'failed:nodes', { nodes });
  closeTasks(step, 'the run failed');
  step.emit('run.failed', 'failed', { error: { code, message, ...more } });
  step.ended = true;
}
