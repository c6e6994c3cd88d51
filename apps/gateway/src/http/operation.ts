import {
  applyDecorators,
  createParamDecorator,
  Delete,
  Get,
  HttpCode,
  Post,
  Put,
  SetMetadata,
  type CanActivate,
  type ExecutionContext,
} from '@nestjs/common';
import { issuesOf, routeOf, TaskEnvelope, type RouteId } from '@flex/contracts';
import { may, type GatewayRequest } from '../security/caller.js';
import { refuse } from './problems.js';

const ROUTE = 'flex:route';
const methods = { GET: Get, POST: Post, PUT: Put, DELETE: Delete };

/** Binds a handler to its entry in the table of routes: method, path, status, scope, query and body all come from there. */
export function Operation(id: RouteId): MethodDecorator {
  const route = routeOf(id);
  const path = route.path.replaceAll(/\{(\w+)\}/g, ':$1');
  return applyDecorators(methods[route.method](path), HttpCode(route.response.status), SetMetadata(ROUTE, id));
}

/** Checks rights, query and body of an operation before its handler runs. */
export class OperationGuard implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    const id = Reflect.getMetadata(ROUTE, context.getHandler()) as RouteId | undefined;
    if (!id) return true;
    const request = context.switchToHttp().getRequest<GatewayRequest>();
    const { scope, query, body, bodyOptional, response } = routeOf(id);
    // A stream without a body would stay open for ever, saying nothing.
    if (request.method === 'HEAD' && response.stream) throw refuse.methodNotAllowed(['GET']);
    if (!may(request.caller, scope)) throw refuse.forbidden(`This needs the scope "${scope}"`);
    refuseNul({ ...request.params, ...request.query });
    if (query) {
      const issues = issuesOf(query, { ...request.query });
      if (issues.length > 0) throw refuse.invalidQuery(issues);
    }
    if (!body) return true;
    if (request.body === undefined) {
      if (!bodyOptional) throw refuse.invalidJson('A JSON body is needed');
      request.body = {};
    }
    // Envelopes are judged where they are taken in, with suggestions and by the registry.
    const issues = body === TaskEnvelope ? [] : issuesOf(body, request.body);
    if (issues.length > 0) throw refuse.invalidBody(issues.slice(0, 100));
    return true;
  }
}

/** A NUL in an address is nobody's name, and Postgres cannot be asked for it. */
function refuseNul(names: Record<string, unknown>): void {
  const found = Object.entries(names).find(([, value]) => JSON.stringify(value)?.includes('\\u0000'));
  if (found) throw refuse.invalidQuery([{ pointer: `/${found[0]}`, message: 'holds a NUL character' }]);
}

/** The request with what the middleware found out about it. */
export const Incoming = createParamDecorator((_: unknown, context: ExecutionContext): GatewayRequest =>
  context.switchToHttp().getRequest<GatewayRequest>(),
);
