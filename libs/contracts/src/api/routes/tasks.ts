import { Closed, Enum, Type } from '../../schema.js';
import { taskKinds } from '../../task.js';
import * as bodies from '../bodies.js';
import * as views from '../views.js';
import { API_PREFIX, BODY, CURSOR, LIMIT, route, type ApiRoute } from '../route.js';

/** Questions to people. */
export const taskRoutes = [
  route({
    id: 'listTasks',
    method: 'GET',
    path: `${API_PREFIX}/tasks`,
    scope: 'operate',
    summary: 'Questions to people',
    query: Closed({
      status: Type.Optional(Enum(['open', 'answered', 'closed', 'all'] as const)),
      kind: Type.Optional(Enum(taskKinds)),
      runId: Type.Optional(Type.String({ maxLength: 128 })),
      assignee: Type.Optional(Type.String({ maxLength: 200 })),
      role: Type.Optional(Type.String({ maxLength: 200 })),
      limit: LIMIT,
      cursor: CURSOR,
    }),
    response: { status: 200, schema: views.TaskPage },
    problems: ['invalid_query'],
    example: { query: { status: 'open' } },
  }),
  route({
    id: 'getTask',
    method: 'GET',
    path: `${API_PREFIX}/tasks/{taskId}`,
    scope: 'operate',
    summary: 'A question to a person',
    response: { status: 200, schema: views.TaskItem },
    problems: ['task_not_found'],
  }),
  route({
    id: 'resolveTask',
    method: 'POST',
    path: `${API_PREFIX}/tasks/{taskId}/resolve`,
    scope: 'operate',
    summary: 'Answer a task; once',
    body: bodies.ResolveBody,
    ifMatch: true,
    response: { status: 202, schema: views.Accepted },
    problems: [...BODY, 'task_not_found', 'task_closed', 'invalid_answer', 'stale_plan_version'],
    example: { body: { resolution: 'approve' } },
  }),
  route({
    id: 'declineTask',
    method: 'POST',
    path: `${API_PREFIX}/tasks/{taskId}/decline`,
    scope: 'operate',
    summary: 'Decline a task',
    body: bodies.DeclineBody,
    bodyOptional: true,
    response: { status: 202, schema: views.Accepted },
    problems: [...BODY, 'task_not_found', 'task_closed'],
    example: { body: { comment: 'On holiday' } },
  }),
] as const satisfies readonly ApiRoute[];
