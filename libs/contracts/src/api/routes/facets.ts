import { Closed, Enum, Type } from '../../schema.js';
import * as bodies from '../bodies.js';
import * as views from '../views.js';
import { API_PREFIX, BODY, CURSOR, LIMIT_OR_ALL, route, type ApiRoute } from '../route.js';

/** The catalogue of facets. */
export const facetRoutes = [
  route({
    id: 'listFacets',
    method: 'GET',
    path: `${API_PREFIX}/facets`,
    scope: 'run',
    summary: 'The catalogue of facets',
    query: Closed({
      direction: Type.Optional(Enum(['input', 'output', 'bidirectional'] as const)),
      tag: Type.Optional(Type.String({ maxLength: 64 })),
      limit: LIMIT_OR_ALL,
      cursor: CURSOR,
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
