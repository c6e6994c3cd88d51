import type { NextFunction, Request, Response } from 'express';
import { context, ROOT_CONTEXT, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';
import { contextOf, currentTraceparent, isTracing } from '@flex/events';
import type { GatewayRequest } from '../security/caller.js';

/**
 * A server span around each request, from its head to its last byte (of a stream: to its end). It continues the caller's
 * trace or begins one, and what the request appends to the log belongs to it. Costs nothing when telemetry is off.
 */
export function requestSpan(request: Request, response: Response, next: NextFunction): void {
  if (!isTracing()) return next();
  const incoming = request as unknown as GatewayRequest;
  const parent = incoming.traceparent ? contextOf(incoming.traceparent) : ROOT_CONTEXT;
  const span = trace.getTracer('flex-gateway').startSpan(
    request.method,
    {
      kind: SpanKind.SERVER,
      attributes: {
        'http.request.method': request.method,
        'url.path': request.path,
        'url.scheme': request.protocol,
        'client.address': request.socket.remoteAddress,
      },
    },
    parent,
  );
  const active = trace.setSpan(parent, span);
  incoming.traceparent = currentTraceparent(active);
  response.once('close', () => {
    // Only after routing is it known which route it was; a path with ids in it would be a name for every run.
    const route = (request.route as { path?: string } | undefined)?.path;
    if (route) span.updateName(`${request.method} ${route}`).setAttribute('http.route', route);
    span.setAttribute('http.response.status_code', response.statusCode);
    if (response.statusCode >= 500) span.setStatus({ code: SpanStatusCode.ERROR });
    span.end();
  });
  context.with(active, next);
}
