import { Catch, HttpException, NotFoundException, type ArgumentsHost, type ExceptionFilter } from '@nestjs/common';
import { Rejection, type Problem } from '@flex/contracts';
import { LogUnavailable, reasonOf } from '@flex/events';
import { problemOf, type Logger } from '@flex/events/service';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { allowedMethods } from './allowed-methods.js';
import { refuse } from './problems.js';

/** What a user learns of an error. Servers that are away pass; everything unexpected says nothing about our insides. */
export function problemFor(error: unknown): Problem {
  if (error instanceof Rejection || error instanceof HttpException) return problemOf(error);
  if (error instanceof LogUnavailable || isSilentNats(error))
    return problemOf(refuse.unavailable('The event log does not answer'));
  if (isAwayPostgres(error)) return problemOf(refuse.unavailable('The database does not answer'));
  return problemOf(error);
}

const isOutage = (error: unknown): boolean =>
  error instanceof LogUnavailable || isSilentNats(error) || isAwayPostgres(error);

const isSilentNats = (error: unknown): boolean =>
  error instanceof Error &&
  /^(TimeoutError|NoRespondersError|ConnectionError|ClosedConnectionError|RequestError)$/.test(error.name);

/** Connection refused or cut, the pool's timeout, and Postgres' own classes 08, 53 and 57. */
function isAwayPostgres(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const code = String((error as { code?: unknown }).code ?? '');
  if (/^(ECONNREFUSED|ECONNRESET|EPIPE|ENOTFOUND|ETIMEDOUT|EHOSTUNREACH|08|53|57)/.test(code)) return true;
  return /Connection terminated|timeout exceeded when trying to connect|Client has encountered a connection error/.test(
    error.message,
  );
}

/** Answers with problem details; streams that have begun are ended. */
export function sendProblem(response: ServerResponse, problem: Problem): void {
  if (response.headersSent) {
    response.end();
    return;
  }
  const requestId = response.getHeader('x-request-id');
  const retryAfter = problem.extensions?.['retryAfter'];
  if (typeof retryAfter === 'number') response.setHeader('retry-after', String(Math.ceil(retryAfter)));
  if (problem.status === 401) response.setHeader('www-authenticate', 'Bearer');
  response.statusCode = problem.status;
  response.setHeader('content-type', 'application/problem+json');
  response.setHeader('cache-control', 'no-store');
  response.end(JSON.stringify(requestId ? { ...problem, instance: `urn:flex:request:${String(requestId)}` } : problem));
}

@Catch()
export class GatewayProblemFilter implements ExceptionFilter {
  constructor(private readonly log: Logger) {}

  catch(error: unknown, host: ArgumentsHost): void {
    const response = host.switchToHttp().getResponse<ServerResponse>();
    // The framework says of a known address with another method that it is not there.
    const methods =
      error instanceof NotFoundException
        ? allowedMethods(host.switchToHttp().getRequest<IncomingMessage>().url ?? '')
        : [];
    if (methods.length > 0) response.setHeader('allow', methods.join(', '));
    const known = methods.length > 0 ? refuse.methodNotAllowed(methods) : refuse.noSuchAddress();
    const problem = problemFor(error instanceof NotFoundException ? known : error);
    if (problem.status === 500) {
      this.log.error(
        { reason: reasonOf(error), stack: error instanceof Error ? error.stack : undefined },
        'request failed',
      );
    }
    // The client hears that something is away, the operator also why.
    else if (isOutage(error)) this.log.warn({ reason: reasonOf(error) }, 'a request was put off');
    sendProblem(response, problem);
  }
}
