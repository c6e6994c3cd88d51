import { Closed, Enum, Type, type Json, type TSchema } from '../schema.js';
import { runStatuses } from '../plan.js';
import { taskKinds } from '../task.js';
import { frameTypes } from '../frame.js';
import * as bodies from './bodies.js';
import * as views from './views.js';

/** What a caller may do: look and submit (`run`), steer runs and answer tasks (`operate`), change the registry (`register`), everything (`admin`). */
export const scopes = ['run', 'operate', 'register', 'admin'] as const;
export type Scope = (typeof scopes)[number];

export const API_PREFIX = '/api/v1/flex';
/** Largest request body; larger values belong into a store of the client's, with a link in the facet. */
export const BODY_LIMIT_BYTES = 32 * 1024 * 1024;
/** Deepest nesting of a request body. */
export const BODY_DEPTH_LIMIT = 100;

/** One operation of the HTTP API. The gateway validates by it, OpenAPI is made from it, tests run its example. */
export interface ApiRoute {
  id: string;
  method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  /** With `{name}` for parameters. */
  path: string;
  scope: Scope;
  summary: string;
  query?: TSchema;
  body?: TSchema;
  /** The body may be left out. */
  bodyOptional?: boolean;
  response: { status: number; schema?: TSchema; stream?: boolean };
  /** Codes of the problems that it may answer with, besides those that any request can meet. */
  problems: readonly string[];
  example?: { query?: Record<string, string>; body?: Json };
}

const LIMIT = Type.Optional(
  Type.String({ pattern: '^[1-9][0-9]{0,3}$', description: 'Items in a page, at most 500; 50 if absent' }),
);
const CURSOR = Type.Optional(Type.String({ maxLength: 500, description: '`next` of the page before' }));
const streamQuery = {
  types: Type.Optional(
    Type.String({ maxLength: 500, description: `Frame types wanted, by commas: ${frameTypes.join(', ')}` }),
  ),
  snapshot: Type.Optional(
    Enum(['true', 'false'] as const, { description: 'First a `snapshot` frame with the state of the run' }),
  ),
};
const StreamQuery = Closed({
  ...streamQuery,
  lastEventId: Type.Optional(Type.String({ maxLength: 40, description: 'Like the header Last-Event-ID, which wins' })),
});
const label = Type.Optional(
  Type.Unsafe<string | string[]>({
    anyOf: [
      { type: 'string', maxLength: 300 },
      { type: 'array', items: { type: 'string', maxLength: 300 }, maxItems: 20 },
    ],
    description: 'name:value; all must match',
  }),
);

/** Problems that any request can meet. */
export const commonProblems = ['unauthorized', 'forbidden', 'rate_limited', 'unavailable'] as const;
const BODY = [
  'invalid_json',
  'invalid_body',
  'too_large',
  'too_deep',
  'unsupported_media_type',
  'idempotency_key_reused',
];
const RUN = ['run_not_found'];

const envelope = {
  objective: 'Two LinkedIn variants for the launch of Flex',
  inputs: { objectiveBrief: { objective: 'Announce Flex', channel: 'linkedin' }, toneOfVoice: 'inspirational' },
  outputContract: {
    mode: 'json_schema',
    schema: {
      type: 'object',
      required: ['variants'],
      properties: {
        variants: {
          type: 'array',
          items: {
            type: 'object',
            required: ['headline', 'body', 'callToAction'],
            properties: { headline: { type: 'string' }, body: { type: 'string' }, callToAction: { type: 'string' } },
          },
        },
      },
    },
  },
} satisfies Json;

const route = <const R extends ApiRoute>(definition: R): R => definition;
const runs = `${API_PREFIX}/runs`;
const run = `${runs}/{runId}`;

export const routes = [
  route({
    id: 'streamRun',
    method: 'POST',
    path: `${API_PREFIX}/run.stream`,
    scope: 'run',
    summary: 'Submit a task and stream its run',
    query: Closed(streamQuery),
    body: bodies.RunEnvelopeBody,
    response: { status: 200, stream: true },
    problems: [...BODY, 'invalid_envelope', 'thread_busy'],
    example: { body: envelope },
  }),
  route({
    id: 'createRun',
    method: 'POST',
    path: runs,
    scope: 'run',
    summary: 'Submit a task',
    body: bodies.RunEnvelopeBody,
    response: { status: 202, schema: views.Accepted },
    problems: [...BODY, 'invalid_envelope', 'thread_busy'],
    example: { body: envelope },
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
    example: { body: envelope },
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
    id: 'streamFrames',
    method: 'GET',
    path: `${run}/stream`,
    scope: 'run',
    summary: 'Stream the frames of a run, from Last-Event-ID on',
    query: StreamQuery,
    response: { status: 200, stream: true },
    problems: [...RUN, 'invalid_cursor', 'too_many_streams'],
  }),
  route({
    id: 'streamMany',
    method: 'GET',
    path: `${API_PREFIX}/stream`,
    scope: 'run',
    summary: 'Stream the frames of all runs with a label',
    query: Closed({ ...StreamQuery.properties, label }),
    response: { status: 200, stream: true },
    problems: ['invalid_cursor', 'invalid_query', 'too_many_streams'],
    example: { query: { label: 'team:marketing' } },
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
    id: 'getPlan',
    method: 'GET',
    path: `${run}/plan`,
    scope: 'run',
    summary: 'A version of the plan, the latest by default',
    query: Closed({ version: Type.Optional(Type.String({ pattern: '^[1-9][0-9]{0,5}$' })) }),
    response: { status: 200, schema: views.PlanView },
    problems: [...RUN, 'plan_not_found'],
  }),
  route({
    id: 'listPlanVersions',
    method: 'GET',
    path: `${run}/plan/versions`,
    scope: 'run',
    summary: 'All versions of the plan and why they exist',
    response: { status: 200, schema: views.PlanVersions },
    problems: RUN,
  }),
  route({
    id: 'diffPlans',
    method: 'GET',
    path: `${run}/plan/diff`,
    scope: 'run',
    summary: 'What changed between two versions',
    query: Closed({
      from: Type.Optional(Type.String({ pattern: '^[1-9][0-9]{0,5}$' })),
      to: Type.Optional(Type.String({ pattern: '^[1-9][0-9]{0,5}$' })),
    }),
    response: { status: 200, schema: views.PlanDiffView },
    problems: [...RUN, 'plan_not_found'],
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
  route({
    id: 'cancelRun',
    method: 'POST',
    path: `${run}/cancel`,
    scope: 'operate',
    summary: 'End a run',
    body: bodies.CancelBody,
    bodyOptional: true,
    response: { status: 202, schema: views.Accepted },
    problems: [...BODY, ...RUN, 'run_ended'],
    example: { body: { reason: 'Not needed any more' } },
  }),
  route({
    id: 'pauseRun',
    method: 'POST',
    path: `${run}/pause`,
    scope: 'operate',
    summary: 'Start nothing new in a run',
    body: bodies.PauseBody,
    bodyOptional: true,
    response: { status: 202, schema: views.Accepted },
    problems: [...BODY, ...RUN, 'run_ended'],
    example: { body: { reason: 'Waiting for legal' } },
  }),
  route({
    id: 'resumeRun',
    method: 'POST',
    path: `${run}/resume`,
    scope: 'operate',
    summary: 'Let a paused run go on',
    body: bodies.ResumeBody,
    bodyOptional: true,
    response: { status: 202, schema: views.Accepted },
    problems: [...BODY, ...RUN, 'run_ended', 'stale_plan_version'],
    example: { body: { expectedPlanVersion: 1 } },
  }),
  route({
    id: 'resumeAtVersion',
    method: 'POST',
    path: `${API_PREFIX}/run.resume`,
    scope: 'operate',
    summary: 'Resume a run at the plan version that was seen',
    body: bodies.RunResumeBody,
    response: { status: 202, schema: views.Accepted },
    problems: [...BODY, ...RUN, 'run_ended', 'stale_plan_version'],
  }),
  route({
    id: 'signalRun',
    method: 'POST',
    path: `${run}/signal`,
    scope: 'operate',
    summary: 'Tell a running run something: a manual trigger, a metric, a message',
    body: bodies.SignalBody,
    response: { status: 202, schema: views.Accepted },
    problems: [...BODY, ...RUN, 'run_ended'],
    example: { body: { kind: 'message', message: 'Mention the price', replan: true } },
  }),
  route({
    id: 'replanRun',
    method: 'POST',
    path: `${run}/replan`,
    scope: 'operate',
    summary: 'Ask for a new version of the plan, or edit it; If-Match holds the version edited',
    body: bodies.ReplanBody,
    bodyOptional: true,
    response: { status: 202, schema: views.Accepted },
    problems: [...BODY, ...RUN, 'run_ended', 'stale_plan_version'],
    example: { body: { rationale: 'The audience changed' } },
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
  route({
    id: 'listCapabilities',
    method: 'GET',
    path: `${API_PREFIX}/capabilities`,
    scope: 'run',
    summary: 'What the agents can do',
    query: Closed({
      status: Type.Optional(Enum(['active', 'inactive', 'all'] as const)),
      facet: Type.Optional(Type.String({ maxLength: 128 })),
      kind: Type.Optional(Type.String({ maxLength: 40 })),
    }),
    response: { status: 200, schema: views.CapabilityList },
    problems: ['invalid_query'],
    example: { query: { status: 'active' } },
  }),
  route({
    id: 'registerCapability',
    method: 'POST',
    path: `${API_PREFIX}/capabilities`,
    scope: 'register',
    summary: 'Register a capability, or a new form of it',
    body: bodies.RegisterBody,
    response: { status: 200, schema: views.Registered },
    problems: [...BODY, 'unknown_facet'],
  }),
  route({
    id: 'registerMany',
    method: 'POST',
    path: `${API_PREFIX}/registry`,
    scope: 'register',
    summary: 'Publish facets and register capabilities at once',
    body: bodies.BulkRegisterBody,
    response: { status: 200, schema: views.Registered },
    problems: [...BODY, 'unknown_facet'],
    example: { body: { facets: [], capabilities: [] } },
  }),
  route({
    id: 'getCapability',
    method: 'GET',
    path: `${API_PREFIX}/capabilities/{capabilityId}`,
    scope: 'run',
    summary: 'A capability',
    response: { status: 200, schema: views.CapabilityView },
    problems: ['capability_not_found'],
  }),
  route({
    id: 'heartbeat',
    method: 'POST',
    path: `${API_PREFIX}/capabilities/{capabilityId}/heartbeat`,
    scope: 'register',
    summary: 'Say that an instance of a capability is alive',
    body: bodies.HeartbeatBody,
    bodyOptional: true,
    response: { status: 204 },
    problems: [...BODY, 'capability_not_found'],
    example: { body: { instance: 'one' } },
  }),
  route({
    id: 'deregister',
    method: 'DELETE',
    path: `${API_PREFIX}/capabilities/{capabilityId}`,
    scope: 'register',
    summary: 'Take a capability out of service',
    response: { status: 200, schema: views.Registered },
    problems: ['capability_not_found'],
  }),
  route({
    id: 'listFacets',
    method: 'GET',
    path: `${API_PREFIX}/facets`,
    scope: 'run',
    summary: 'The catalogue of facets',
    query: Closed({
      direction: Type.Optional(Enum(['input', 'output', 'bidirectional'] as const)),
      tag: Type.Optional(Type.String({ maxLength: 64 })),
    }),
    response: { status: 200, schema: views.FacetList },
    problems: ['invalid_query'],
    example: {},
  }),
  route({
    id: 'publishFacet',
    method: 'POST',
    path: `${API_PREFIX}/facets`,
    scope: 'register',
    summary: 'Publish a facet, or a new version of it',
    body: bodies.PublishFacetBody,
    response: { status: 200, schema: views.Registered },
    problems: [...BODY, 'invalid_facet'],
    example: { body: { name: 'exampleFacet', direction: 'bidirectional', schema: { type: 'string' } } },
  }),
  route({
    id: 'compileFacets',
    method: 'POST',
    path: `${API_PREFIX}/facets/compile`,
    scope: 'run',
    summary: 'The JSON Schema that a set of facets makes together',
    body: bodies.CompileFacetsBody,
    response: { status: 200, schema: views.CompiledContract },
    problems: BODY,
    example: { body: { facets: ['objectiveBrief'], direction: 'input' } },
  }),
  route({
    id: 'getFacet',
    method: 'GET',
    path: `${API_PREFIX}/facets/{name}`,
    scope: 'run',
    summary: 'A facet',
    response: { status: 200, schema: views.FacetList.properties.items.items },
    problems: ['facet_not_found'],
  }),
  route({
    id: 'listFacetVersions',
    method: 'GET',
    path: `${API_PREFIX}/facets/{name}/versions`,
    scope: 'run',
    summary: 'All versions of a facet',
    response: { status: 200, schema: views.FacetList },
    problems: ['facet_not_found'],
  }),
] as const satisfies readonly ApiRoute[];

export type RouteId = (typeof routes)[number]['id'];
const byId = new Map<string, ApiRoute>(routes.map((definition) => [definition.id, definition]));
export const routeOf = (id: RouteId): ApiRoute => byId.get(id)!;
