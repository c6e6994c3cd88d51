import { FlexProblem, FlexUnreachable } from '../problem-error.js';
import { exitCodes } from './exit-codes.js';
import { Failure, unreachable } from './failure.js';

/** What a command ends with, in the user's words: every error of the client, and any fault of ours, as one line. */
export function toFailure(error: unknown): Failure {
  if (error instanceof Failure) return error;
  if (error instanceof FlexProblem) return refused(error);
  if (error instanceof FlexUnreachable) {
    const cause = error.cause === undefined ? '' : `: ${reasonOf(error.cause)}`;
    return unreachable(`${error.message}${cause}`, [
      'Is it running? `flex up` starts a stack here; FLEX_URL or --url names another one.',
    ]);
  }
  return new Failure(reasonOf(error));
}

/** A refusal in the gateway's own words: what is wrong, then every pointer. */
function refused({ problem, status }: FlexProblem): Failure {
  const details = [
    ...(problem.errors ?? []).map((issue) => `${issue.pointer || '/'}: ${issue.message}`),
    ...(problem.diagnostics ?? []).map(
      (finding) => `${finding.code}: ${finding.message}${finding.suggestion ? ` (${finding.suggestion})` : ''}`,
    ),
  ];
  if (status === 401) details.push('FLEX_API_KEY or --api-key says who is asking');
  if (problem.code === 'http_error') return new Failure(`the gateway answered ${status} ${problem.title}`);
  const badInput = status === 400 || status === 413 || status === 415 || status === 422;
  // With pointers below it, the detail would only repeat the first.
  const message = problem.errors?.length ? problem.title : (problem.detail ?? problem.title);
  return new Failure(message, badInput ? exitCodes.usage : exitCodes.failed, details);
}

/** The innermost cause: fetch hides "connection refused" behind "fetch failed". */
function reasonOf(error: unknown): string {
  const { cause, code, message, errors } = error as NodeJS.ErrnoException & { errors?: unknown[] };
  if (errors?.[0] !== undefined) return reasonOf(errors[0]);
  if (cause !== undefined) return reasonOf(cause);
  switch (code) {
    case 'ECONNREFUSED':
      return 'connection refused';
    case 'ENOTFOUND':
      return 'no such host';
    default:
      return message ?? String(error);
  }
}
