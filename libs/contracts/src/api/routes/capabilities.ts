import { Closed, Enum, Type } from '../../schema.js';
import { capabilityKinds } from '../../capability.js';
import * as bodies from '../bodies.js';
import * as views from '../views.js';
import { API_PREFIX, BODY, CURSOR, LIMIT_OR_ALL, route, type ApiRoute } from '../route.js';

/** What the agents can do. */
export const capabilityRoutes = [
  route({
    id: 'listCapabilities',
    method: 'GET',
    path: `${API_PREFIX}/capabilities`,
    scope: 'run',
    summary: 'What the agents can do',
    query: Closed({
      status: Type.Optional(Enum(['active', 'inactive', 'all'] as const)),
      facet: Type.Optional(Type.String({ maxLength: 128 })),
      kind: Type.Optional(Enum(capabilityKinds)),
      limit: LIMIT_OR_ALL,
      cursor: CURSOR,
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
] as const satisfies readonly ApiRoute[];
