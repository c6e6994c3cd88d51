import { Closed, Enum, Type } from '../../schema.js';
import { frameTypes } from '../../frame.js';
import * as bodies from '../bodies.js';
import * as views from '../views.js';
import { API_PREFIX, BODY, label, RUN, route, run, type ApiRoute } from '../route.js';
import { exampleEnvelope } from './example-envelope.js';

const types = Type.Optional(
  Type.String({ maxLength: 500, description: `Frame types wanted, by commas: ${frameTypes.join(', ')}` }),
);
const snapshot = Type.Optional(
  Enum(['true', 'false'] as const, { description: 'First a `snapshot` frame with the state of the run' }),
);
const resumable = {
  types,
  ticket: Type.Optional(
    Type.String({ maxLength: 2000, description: 'From `POST /stream.ticket`, where no header can be sent' }),
  ),
  lastEventId: Type.Optional(Type.String({ maxLength: 40, description: 'Like the header Last-Event-ID, which wins' })),
};

/** Server-sent events: the frames of one run, or of many. */
export const streamRoutes = [
  route({
    id: 'streamRun',
    method: 'POST',
    path: `${API_PREFIX}/run.stream`,
    scope: 'run',
    summary: 'Submit a task and stream its run',
    query: Closed({ types }),
    body: bodies.RunEnvelopeBody,
    location: true,
    response: { status: 200, stream: true },
    problems: [...BODY, 'invalid_envelope', 'thread_busy', 'invalid_query'],
    example: { body: exampleEnvelope },
  }),
  route({
    id: 'streamFrames',
    method: 'GET',
    path: `${run}/stream`,
    scope: 'run',
    summary: 'Stream the frames of a run, from Last-Event-ID on',
    query: Closed({ ...resumable, snapshot }),
    response: { status: 200, stream: true },
    problems: [...RUN, 'invalid_cursor', 'too_many_streams', 'invalid_query'],
  }),
  route({
    id: 'streamMany',
    method: 'GET',
    path: `${API_PREFIX}/stream`,
    scope: 'run',
    summary: 'Stream the frames of all runs with a label',
    query: Closed({ ...resumable, label }),
    response: { status: 200, stream: true },
    problems: ['invalid_cursor', 'invalid_query', 'too_many_streams'],
    example: { query: { label: 'team:marketing' } },
  }),
  route({
    id: 'createStreamTicket',
    method: 'POST',
    path: `${API_PREFIX}/stream.ticket`,
    scope: 'run',
    summary: 'A ticket that opens streams for a while, for an EventSource, which cannot send headers',
    body: bodies.StreamTicketBody,
    bodyOptional: true,
    response: { status: 201, schema: views.StreamTicket },
    problems: [...BODY, ...RUN],
    example: { body: { expiresInSeconds: 60 } },
  }),
] as const satisfies readonly ApiRoute[];
