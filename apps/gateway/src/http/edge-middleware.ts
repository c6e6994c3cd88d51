import { json, type NextFunction, type Request, type Response } from 'express';
import { randomUUID } from 'node:crypto';
import { API_PREFIX, BODY_DEPTH_LIMIT } from '@flex/contracts';
import type { GatewayConfig } from '../gateway-config.js';
import { problemFor, sendProblem } from './problem-response.js';
import { refuse } from './problems.js';

type Middleware = (request: Request, response: Response, next: NextFunction) => void;

const TRACEPARENT = /^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/;
const REQUEST_ID = /^[\x21-\x7e]{1,128}$/;

/** A request id, kept or made, in every answer; headers that keep browsers from guessing; who may call from where. */
export function envelopeMiddleware(config: GatewayConfig): Middleware {
  const origins = new Set(
    config.corsOrigins
      .split(',')
      .map((origin) => origin.trim())
      .filter(Boolean),
  );
  return (request, response, next) => {
    const given = request.headers['x-request-id'];
    const requestId = typeof given === 'string' && REQUEST_ID.test(given) ? given : randomUUID();
    const trace = request.headers['traceparent'];
    Object.assign(request, {
      requestId,
      traceparent: typeof trace === 'string' && TRACEPARENT.test(trace) ? trace : undefined,
    });
    response.setHeader('x-request-id', requestId);
    response.setHeader('x-content-type-options', 'nosniff');
    response.setHeader('x-frame-options', 'DENY');
    response.setHeader('referrer-policy', 'no-referrer');
    if (!response.hasHeader('content-security-policy'))
      response.setHeader('content-security-policy', "default-src 'none'; frame-ancestors 'none'");
    // What is meant for one caller is no matter of caches between: a key in a header of ours tells them nothing.
    if (request.path.startsWith(API_PREFIX)) response.setHeader('cache-control', 'private, no-cache');
    if (config.tlsCert) response.setHeader('strict-transport-security', 'max-age=31536000');
    const { origin } = request.headers;
    // Caches must not give one origin what another one was answered.
    if (origins.size > 0 && !origins.has('*')) response.setHeader('vary', 'origin');
    if (origin && (origins.has(origin) || origins.has('*'))) {
      response.setHeader('access-control-allow-origin', origins.has('*') ? '*' : origin);
      response.setHeader(
        'access-control-expose-headers',
        'x-request-id, x-run-id, location, etag, retry-after, idempotency-replayed',
      );
      if (request.method === 'OPTIONS') {
        response.setHeader('access-control-allow-methods', 'GET, POST, DELETE');
        response.setHeader(
          'access-control-allow-headers',
          'authorization, content-type, idempotency-key, if-match, last-event-id, traceparent, x-api-key, x-request-id',
        );
        response.setHeader('access-control-max-age', '600');
      }
    }
    if (request.method === 'OPTIONS') {
      response.statusCode = 204;
      response.end();
      return;
    }
    next();
  };
}

/** Bodies are JSON, bounded in size and depth. */
export function bodyMiddleware(limit: number): Middleware {
  const parse = json({ limit, strict: false, type: ['application/json', 'application/*+json'] });
  return (request, response, next) => {
    if (request.method === 'GET' || request.method === 'HEAD' || !hasBody(request)) return next();
    if (!request.is(['application/json', 'application/*+json'])) {
      // A body that nobody reads would be taken for the next request on the connection.
      request.resume();
      return sendProblem(response, problemFor(refuse.mediaType()));
    }
    parse(request, response, (error?: unknown) => {
      if (error) return sendProblem(response, problemFor(bodyProblem(error, limit)));
      if (tooDeep(request.body, BODY_DEPTH_LIMIT))
        return sendProblem(response, problemFor(refuse.tooDeep(BODY_DEPTH_LIMIT)));
      next();
    });
  };
}

const hasBody = (request: Request): boolean =>
  request.headers['transfer-encoding'] !== undefined || Number(request.headers['content-length'] ?? 0) > 0;

function bodyProblem(error: unknown, limit: number): unknown {
  const { type, message } = error as { type?: string; message?: string };
  if (type === 'entity.too.large') return refuse.tooLarge(limit);
  if (type === 'encoding.unsupported' || type === 'charset.unsupported') return refuse.mediaType();
  // The parser's own words quote the body, which may hold secrets; the position is enough.
  const position = /position (\d+)/.exec(message ?? '')?.[1];
  return refuse.invalidJson(
    position === undefined ? 'It ends too early or is not valid JSON' : `It stops being JSON at position ${position}`,
  );
}

/** Looks level by level, without recursion. */
function tooDeep(body: unknown, limit: number): boolean {
  let level: unknown[] = [body];
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > limit) return true;
    level = level
      .flatMap((value) => (value !== null && typeof value === 'object' ? Object.values(value) : []))
      .filter((value) => typeof value === 'object');
  }
  return false;
}
