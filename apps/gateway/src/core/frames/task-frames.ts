import { unreachable } from '@flex/contracts';
import { timestampOf } from '../../timestamp.js';
import { json, type Draft, type EventOf, type ProjectionState } from './projection-state.js';

/** Questions to people. */
export function taskFrames(state: ProjectionState, event: EventOf<'hitl'>, out: Draft[]): void {
  switch (event.type) {
    case 'hitl.requested': {
      const { task } = event.data;
      state.tasks.set(task.taskId, { nodeId: task.nodeId, kind: task.kind });
      out.push({
        type: 'hitl_request',
        nodeId: task.nodeId,
        message: task.prompt,
        payload: json({
          ...task,
          dueAt: task.dueAt === undefined ? undefined : timestampOf(task.dueAt),
          remindAt: undefined,
        }),
      });
      return;
    }
    case 'hitl.reminded': {
      const { taskId, dueAt } = event.data;
      const nodeId = state.tasks.get(taskId)?.nodeId;
      const due = dueAt === undefined ? undefined : timestampOf(dueAt);
      out.push({
        type: 'log',
        nodeId,
        message: 'A task is about to be late',
        payload: json({ event: 'hitl_reminder', taskId, dueAt: due }),
      });
      return;
    }
    case 'hitl.closed': {
      const task = state.tasks.get(event.data.taskId);
      state.tasks.delete(event.data.taskId);
      out.push({
        type: 'hitl_resolved',
        nodeId: task?.nodeId,
        message: event.data.reason,
        payload: json({ ...event.data, kind: task?.kind }),
      });
      return;
    }
    // Internal: carried by the frames of what follows from them, or nothing that a client could act on.
    case 'hitl.resolved':
      return;
    default:
      unreachable(event);
  }
}
