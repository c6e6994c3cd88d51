import { commonProblems, scopes, type ApiRoute } from '../api/route.js';
import { routes } from '../api/routes.js';
import { Frame } from '../frame.js';
import type { TSchema } from '../schema.js';
import { namedSchemas } from '../validate.js';
import { Components } from './components.js';

const problemSchema = {
  type: 'object',
  required: ['type', 'title', 'status', 'code'],
  properties: {
    type: { type: 'string' },
    title: { type: 'string' },
    status: { type: 'integer' },
    code: { type: 'string' },
    detail: { type: 'string' },
    instance: { type: 'string' },
    errors: {
      type: 'array',
      items: {
        type: 'object',
        required: ['pointer', 'message'],
        properties: { pointer: { type: 'string' }, message: { type: 'string' }, keyword: { type: 'string' } },
      },
    },
    diagnostics: { type: 'array', items: { type: 'object' } },
  },
};

/** The HTTP API as an OpenAPI 3.1 document, made from the table of routes. */
export function openApiDocument(version: string): Record<string, unknown> {
  const components = new Components();
  for (const schema of Object.values(namedSchemas)) components.of(schema);
  components.of(Frame);
  components.schemas['Problem'] = problemSchema;
  const paths: Record<string, Record<string, unknown>> = {};
  for (const route of routes as readonly ApiRoute[])
    (paths[route.path] ??= {})[route.method.toLowerCase()] = operation(route, components);
  return {
    openapi: '3.1.0',
    info: {
      title: 'Flex',
      version,
      summary: 'Planned, governed, long-running work of agents: envelopes in, validated output streamed out.',
      license: { name: 'MIT', identifier: 'MIT' },
    },
    jsonSchemaDialect: 'https://json-schema.org/draft/2020-12/schema',
    servers: [{ url: '/' }],
    security: [{ apiKey: [] }, { bearer: [] }, {}],
    paths,
    components: {
      schemas: components.schemas,
      securitySchemes: {
        apiKey: { type: 'apiKey', in: 'header', name: 'X-Api-Key' },
        bearer: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT', description: `Scopes: ${scopes.join(', ')}` },
      },
    },
  };
}

function operation(route: ApiRoute, components: Components): Record<string, unknown> {
  const parameters = [
    ...[...route.path.matchAll(/\{(\w+)\}/g)].map(([, name]) => ({
      name,
      in: 'path',
      required: true,
      schema: { type: 'string', minLength: 1, maxLength: 200 },
    })),
    ...Object.entries((route.query?.['properties'] ?? {}) as Record<string, TSchema>).map(([name, schema]) => ({
      name,
      in: 'query',
      required: ((route.query?.['required'] as string[] | undefined) ?? []).includes(name),
      schema: components.of(schema),
    })),
    ...(route.method === 'POST'
      ? [
          {
            name: 'Idempotency-Key',
            in: 'header',
            required: false,
            schema: { type: 'string', minLength: 1, maxLength: 200 },
          },
        ]
      : []),
    ...(route.response.stream
      ? [{ name: 'Last-Event-ID', in: 'header', required: false, schema: { type: 'string', maxLength: 40 } }]
      : []),
  ];
  return {
    operationId: route.id,
    summary: route.summary,
    description: `Scope: ${route.scope}. Problems: ${[...commonProblems, ...route.problems].join(', ')}.`,
    ...(parameters.length > 0 ? { parameters } : {}),
    ...(route.body
      ? {
          requestBody: {
            required: !route.bodyOptional,
            content: {
              'application/json': {
                schema: components.of(route.body),
                ...(route.example?.body === undefined ? {} : { example: route.example.body }),
              },
            },
          },
        }
      : {}),
    responses: {
      [route.response.status]: {
        description: route.summary,
        ...(route.response.stream
          ? {
              content: {
                'text/event-stream': {
                  schema: {
                    type: 'string',
                    description: 'Frames; the `data` of each is a Frame (components/schemas/Frame)',
                  },
                },
              },
            }
          : route.response.schema
            ? { content: { 'application/json': { schema: components.of(route.response.schema) } } }
            : {}),
      },
      default: {
        description: 'Problem details (RFC 9457)',
        content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
      },
    },
  };
}
