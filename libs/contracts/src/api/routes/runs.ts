import { Closed, Type } from '../../schema.js';
import { runStatuses } from '../../plan.js';
import * as bodies from '../bodies.js';
import * as views from '../views.js';
import { BODY, CURSOR, label, LIMIT, RUN, route, run, runs, type ApiRoute } from '../route.js';
import { exampleEnvelope } from './example-envelope.js';

/** Submitting runs and looking at them. */
export const runRoutes = [
  route({
    id: 'createRun',
    method: 'POST',
    path: runs,
    scope: 'run',
    summary: 'Submit a task',
    body: bodies.RunEnvelopeBody,
    response: { status: 202, schema: views.Accepted },
    problems: [...BODY, 'invalid_envelope', 'thread_busy'],
    example: { body: exampleEnvelope },
  }),
  route({
    id: 'validateRun',
    method: 'POST',
    path: `${runs}/validate`,
    scope: 'run',
    summary: 'What would become of a task: plan preview and diagnostics, nothing is run',
    body: bodies.RunEnvelopeBody,
    response: { status: 200, schema: views.ValidationView },
    problems: BODY,
    example: { body: exampleEnvelope },
  }),
  route({
    id: 'forkRun',
    method: 'POST',
    path: `${run}/fork`,
    scope: 'run',
    summary: 'A new run that starts with what this one had finished',
    body: bodies.ForkBody,
    bodyOptional: true,
    response: { status: 202, schema: views.Accepted },
    problems: [...BODY, ...RUN, 'invalid_envelope'],
    example: { body: {} },
  }),
  route({
    id: 'listRuns',
    method: 'GET',
    path: runs,
    scope: 'run',
    summary: 'Runs, newest first',
    query: Closed({
      status: Type.Optional(
        Type.String({
          maxLength: 200,
          pattern: `^(${runStatuses.join('|')}|open|ended)(,(${runStatuses.join('|')}|open|ended))*$`,
        }),
      ),
      threadId: Type.Optional(Type.String({ maxLength: 200 })),
      label,
      limit: LIMIT,
      cursor: CURSOR,
    }),
    response: { status: 200, schema: views.RunPage },
    problems: ['invalid_query'],
    example: { query: { status: 'open', limit: '10' } },
  }),
  route({
    id: 'getRun',
    method: 'GET',
    path: run,
    scope: 'run',
    summary: 'A run at a glance',
    response: { status: 200, schema: views.RunView },
    problems: RUN,
  }),
  route({
    id: 'deleteRun',
    method: 'DELETE',
    path: run,
    scope: 'operate',
    summary: 'Delete an ended run: its events, archive and payloads',
    response: { status: 204 },
    problems: [...RUN, 'run_open'],
  }),
  route({
    id: 'listEvents',
    method: 'GET',
    path: `${run}/events`,
    scope: 'run',
    summary: 'The history of a run as stored',
    query: Closed({ types: Type.Optional(Type.String({ maxLength: 2000 })), limit: LIMIT, cursor: CURSOR }),
    response: { status: 200, schema: views.EventPage },
    problems: RUN,
  }),
  route({
    id: 'getOutput',
    method: 'GET',
    path: `${run}/output`,
    scope: 'run',
    summary: 'The output of a run, or its error',
    response: { status: 200, schema: views.OutputView },
    problems: [...RUN, 'run_open'],
  }),
  route({
    id: 'explainRun',
    method: 'GET',
    path: `${run}/explain`,
    scope: 'run',
    summary: 'Why the plan is as it is, and planned against actual',
    query: Closed({ node: Type.Optional(Type.String({ maxLength: 200 })) }),
    response: { status: 200, schema: Type.Unsafe<Record<string, unknown>>({ type: 'object' }) },
    problems: [...RUN, 'node_not_found'],
  }),
] as const satisfies readonly ApiRoute[];
