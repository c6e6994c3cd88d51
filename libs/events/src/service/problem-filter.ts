import { Catch, HttpException, type ArgumentsHost, type ExceptionFilter } from '@nestjs/common';
import { Rejection, type Problem } from '@flex/contracts';
import { reasonOf } from '../errors.js';
import type { Logger } from './logger.js';

/** The problem document of any error; what is no rejection tells a user nothing about our insides. */
export function problemOf(error: unknown): Problem {
  if (error instanceof Rejection) return { type: `urn:flex:problem:${error.problem.code}`, ...error.problem };
  if (error instanceof HttpException) {
    const status = error.getStatus();
    const code =
      status === 404 ? 'not_found' : status === 413 ? 'too_large' : status < 500 ? 'bad_request' : 'unavailable';
    return { type: `urn:flex:problem:${code}`, title: error.message, status, code };
  }
  return { type: 'urn:flex:problem:internal', title: 'Internal error', status: 500, code: 'internal' };
}

interface HttpResponse {
  headersSent: boolean;
  status(code: number): this;
  type(kind: string): this;
  send(body: string): void;
  end(): void;
}

/** Errors over HTTP as RFC 9457 problem details; the unexpected ones are logged with their stack, and only there. */
@Catch()
export class ProblemFilter implements ExceptionFilter {
  constructor(private readonly log: Logger) {}

  catch(error: unknown, host: ArgumentsHost): void {
    const problem = problemOf(error);
    if (problem.status >= 500) {
      this.log.error(
        { reason: reasonOf(error), stack: error instanceof Error ? error.stack : undefined },
        'request failed',
      );
    }
    const response = host.switchToHttp().getResponse<HttpResponse>();
    if (response.headersSent) response.end();
    else response.status(problem.status).type('application/problem+json').send(JSON.stringify(problem));
  }
}
