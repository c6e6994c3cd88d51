import type { Acceptance, NewEvent } from '@flex/contracts';
import type { RunState } from './state.js';

/** How one call of a capability ended; `key` is the one it was dispatched under. */
export interface Outcome {
  key: string;
  succeeded: boolean;
}

/**
 * What a decision says about the capabilities that were called: results taken over, and attempts that failed, whoever
 * noticed it (the worker, its output's schema, the deadline). `state` is the one that was decided on. Not a capability's
 * fault, and left out: nodes that engine or people work on, attempts that never started, inputs that were not valid.
 */
export function outcomesOf(state: RunState, events: readonly NewEvent[]): Outcome[] {
  const outcomes: Outcome[] = [];
  const called = (nodeId: string): string | undefined => {
    const run = state.nodes.get(nodeId);
    return run?.status === 'running' ? run.key : undefined;
  };
  for (const event of events) {
    for (const { nodeId, outputs } of (event.data as { accepted?: Acceptance[] }).accepted ?? []) {
      const key = outputs === undefined ? called(nodeId) : undefined;
      if (key !== undefined) outcomes.push({ key, succeeded: true });
    }
    if (event.type !== 'node.failed' || event.data.error.code === 'INPUT_INVALID') continue;
    const key = called(event.data.nodeId);
    if (key !== undefined) outcomes.push({ key, succeeded: false });
  }
  return outcomes;
}
