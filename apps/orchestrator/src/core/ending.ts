import type { RunState } from './state.js';
import type { Step } from './step.js';

/**
 * Ends the run with an error; work in flight is called off. Open tasks end with the run, without events of their own:
 * closing them first would lose, in a crash between, the answer that the end follows from.
 */
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
  step.emit('run.failed', 'failed', { error: { code, message, ...more } });
  step.ended = true;
}
