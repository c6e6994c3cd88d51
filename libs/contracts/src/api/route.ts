import { Type, type Json, type TSchema } from '../schema.js';

/** What a caller may do: look and submit (`run`), steer runs and answer tasks (`operate`), change the registry (`register`), everything (`admin`). */
export const scopes = ['run', 'operate', 'register', 'admin'] as const;
export type Scope = (typeof scopes)[number];

/** Of the published documents. */
export const API_VERSION = '1.0.0';
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
  /** Takes the version of a plan as a condition. */
  ifMatch?: boolean;
  /** Answers with the version of a plan as its entity tag. */
  etag?: boolean;
  /** Answers where the run is that it made. */
  location?: boolean;
  /** Codes of the problems that it may answer with, besides those that any request can meet. */
  problems: readonly string[];
  example?: { query?: Record<string, string>; body?: Json };
}

/** Pages of lists. */
const limit = (ifAbsent: string) =>
  Type.Optional(
    Type.String({
      pattern: '^(?:[1-9][0-9]?|[1-4][0-9][0-9]|500)$',
      description: `items in a page: 1 to 500, ${ifAbsent} if absent`,
    }),
  );
export const LIMIT = limit('50');
/** Of lists that are known as a whole. */
export const LIMIT_OR_ALL = limit('all');
export const CURSOR = Type.Optional(Type.String({ maxLength: 500, description: '`next` of the page before' }));

/** Problems that any request can meet. */
export const commonProblems = ['unauthorized', 'forbidden', 'invalid_header', 'rate_limited', 'unavailable'] as const;
/** Problems of any request with a body. */
export const BODY = [
  'invalid_json',
  'invalid_body',
  'too_large',
  'too_deep',
  'unsupported_media_type',
  'idempotency_key_reused',
  'idempotency_busy',
];
/** Problems of any request about one run. */
export const RUN = ['run_not_found'];

/** Checks a definition, and keeps its exact type. */
export const route = <const R extends ApiRoute>(definition: R): R => definition;
export const runs = `${API_PREFIX}/runs`;
export const run = `${runs}/{runId}`;

/** `label` of a query. */
export const label = Type.Optional(
  Type.Unsafe<string | string[]>({
    anyOf: [
      { type: 'string', maxLength: 300 },
      { type: 'array', items: { type: 'string', maxLength: 300 }, maxItems: 20 },
    ],
    description: 'name:value; all must match',
  }),
);
