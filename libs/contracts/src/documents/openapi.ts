import { commonProblems, scopes, type ApiRoute } from '../api/route.js';
import { routes } from '../api/routes.js';
import { ProblemView } from '../api/views.js';
import { Frame } from '../frame.js';
import type { TSchema } from '../schema.js';
import { namedSchemas } from '../validate.js';
import { Components } from './components.js';

/** The HTTP API as an OpenAPI 3.1 document, made from the table of routes. */
export function openApiDocument(version: string): Record<string, unknown> {
  const components = new Components();
  for (const schema of Object.values(namedSchemas)) components.of(schema);
  components.of(Frame);
  components.of(ProblemView);
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
    ...(route.method === 'POST' ? [header('Idempotency-Key', 'The request is carried out once under it', 200)] : []),
    ...(route.response.stream
      ? [header('Last-Event-ID', 'The last frame that was received: the rest follows', 40)]
      : []),
    ...(route.ifMatch ? [header('If-Match', 'ETag of the plan version that is edited, e.g. `"3"`', 40)] : []),
    header('X-Request-Id', 'Comes back in the answer; made if absent', 128),
    header('traceparent', 'W3C trace context, put into the log', 55),
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
        headers: answerHeaders(route),
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
      ...(route.response.stream && route.method === 'GET'
        ? { 204: { description: 'The run has ended, and nothing that was asked for is left: do not reconnect' } }
        : {}),
      default: {
        description: 'Problem details (RFC 9457)',
        headers: { 'Retry-After': text('With 429 and 503, and with `idempotency_busy`: seconds') },
        content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
      },
    },
  };
}

const text = (description: string) => ({ description, schema: { type: 'string' } });
const header = (name: string, description: string, maxLength: number) => ({
  name,
  in: 'header',
  required: false,
  description,
  schema: { type: 'string', minLength: 1, maxLength },
});

const answerHeaders = ({ method, response, location, etag }: ApiRoute): Record<string, unknown> => ({
  'X-Request-Id': text('Names the request in logs and problems'),
  ...(method === 'POST' ? { 'Idempotency-Replayed': text('`true`: the answer is that of the first request') } : {}),
  ...(location ? { Location: text('Path of the run') } : {}),
  ...(location && response.stream ? { 'X-Run-Id': text('The run that is streamed') } : {}),
  ...(etag ? { ETag: text('The version of the plan, for `If-Match` and `If-None-Match`') } : {}),
});
