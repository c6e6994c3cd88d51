import { unreachable } from '@flex/contracts';
import { json, type Draft, type EventOf, type ProjectionState } from './projection-state.js';

/** What was found to be wrong with an output, an answer or a goal. */
export function checkFrames(_state: ProjectionState, event: EventOf<'validation' | 'goal'>, out: Draft[]): void {
  switch (event.type) {
    case 'validation.failed': {
      const { scope, nodeId, attempt, taskId, issues } = event.data;
      out.push({
        type: 'validation_error',
        nodeId,
        message: issues[0]?.message,
        payload: json({ scope, errors: issues, attempt, taskId }),
      });
      return;
    }
    case 'goal.failed':
      out.push({
        type: 'goal_condition_failed',
        message: event.data.conditions[0]?.message,
        payload: json({ conditions: event.data.conditions }),
      });
      return;
    default:
      unreachable(event);
  }
}
