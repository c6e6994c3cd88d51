import { Rejection, type PlannerDiagnostic, type Problem, type ValidationIssue } from '@flex/contracts';

type More = Partial<Pick<Problem, 'detail' | 'errors' | 'diagnostics' | 'extensions'>>;
const problem = (status: number, code: string, title: string, more: More = {}): Rejection =>
  new Rejection({ status, code, title, ...more });

/** All refusals of the gateway by name: the only place that knows HTTP status codes. */
export const refuse = {
  invalidJson: (detail: string) => problem(400, 'invalid_json', 'The body is not JSON', { detail }),
  invalidBody: (errors: ValidationIssue[]) =>
    problem(422, 'invalid_body', 'The body does not have the right shape', { detail: sentence(errors), errors }),
  invalidQuery: (errors: ValidationIssue[]) =>
    problem(400, 'invalid_query', 'The query does not have the right shape', { detail: sentence(errors), errors }),
  invalidHeader: (name: string, must: string) =>
    problem(400, 'invalid_header', 'A header does not have the right form', { detail: `${name} must be ${must}` }),
  invalidEnvelope: (errors: ValidationIssue[], diagnostics?: PlannerDiagnostic[]) =>
    problem(422, 'invalid_envelope', 'The task cannot be accepted', { detail: sentence(errors), errors, diagnostics }),
  tooLarge: (limit: number) =>
    problem(413, 'too_large', 'The body is too large', { detail: `at most ${limit} bytes`, extensions: { limit } }),
  tooDeep: (limit: number) =>
    problem(400, 'too_deep', 'The body is nested too deeply', { detail: `at most ${limit} levels` }),
  methodNotAllowed: (allowed: string[]) =>
    problem(405, 'method_not_allowed', 'Not with this method', { detail: `This address takes ${allowed.join(', ')}` }),
  mediaType: () => problem(415, 'unsupported_media_type', 'The body must be application/json'),
  unauthorized: (detail: string) => problem(401, 'unauthorized', 'Who is asking?', { detail }),
  forbidden: (detail: string) => problem(403, 'forbidden', 'Not allowed', { detail }),
  rateLimited: (retryAfter: number) =>
    problem(429, 'rate_limited', 'Too many requests', {
      detail: 'Your tenant sends more requests per second than it may',
      extensions: { retryAfter: Math.ceil(retryAfter) },
    }),
  unavailable: (detail: string, retryAfter = 1) =>
    problem(503, 'unavailable', 'Not possible right now', { detail, extensions: { retryAfter } }),
  tooManyStreams: () => problem(429, 'too_many_streams', 'Too many open streams', { extensions: { retryAfter: 5 } }),
  runNotFound: (runId: string) => problem(404, 'run_not_found', 'No such run', { detail: `There is no run ${runId}` }),
  runEnded: (runId: string, status: string) =>
    problem(409, 'run_ended', 'The run has ended', { detail: `Run ${runId} is ${status}`, extensions: { status } }),
  runOpen: (runId: string, status: string) =>
    problem(409, 'run_open', 'The run has not ended', { detail: `Run ${runId} is ${status}`, extensions: { status } }),
  stalePlanVersion: (expected: number, current: number | undefined) =>
    problem(409, 'stale_plan_version', 'The plan has changed since', {
      detail: `Expected version ${expected}, the latest is ${current ?? 'none'}`,
      extensions: { expected, current },
    }),
  planNotFound: (version: number | undefined) =>
    problem(404, 'plan_not_found', 'No such plan version', {
      detail: version === undefined ? 'The run has no plan yet' : `There is no version ${version}`,
    }),
  nodeNotFound: (nodeId: string) =>
    problem(404, 'node_not_found', 'No such node', { detail: `The plan has no node ${nodeId}` }),
  taskNotFound: (taskId: string) =>
    problem(404, 'task_not_found', 'No such task', { detail: `There is no task ${taskId}` }),
  taskClosed: (taskId: string, status: string) =>
    problem(409, 'task_closed', 'The task was answered already', {
      detail: `Task ${taskId} is ${status}`,
      extensions: { status },
    }),
  invalidAnswer: (errors: ValidationIssue[]) =>
    problem(422, 'invalid_answer', 'The answer does not fit the task', { detail: sentence(errors), errors }),
  threadBusy: (threadId: string, runIds: string[]) =>
    problem(409, 'thread_busy', 'Another run of this thread is open', {
      detail: `Thread ${threadId} has open runs`,
      extensions: { runIds },
    }),
  invalidCursor: (given: string) =>
    problem(400, 'invalid_cursor', 'Not a cursor of this stream', {
      detail: `Last-Event-ID ${JSON.stringify(given.slice(0, 60))} is not a frame id`,
    }),
  idempotencyKeyReused: () =>
    problem(422, 'idempotency_key_reused', 'This Idempotency-Key was used for another request'),
  idempotencyBusy: () =>
    problem(409, 'idempotency_busy', 'The first request with this Idempotency-Key is still under way', {
      extensions: { retryAfter: 1 },
    }),
  noSuchAddress: () =>
    problem(404, 'not_found', 'No such address', { detail: 'The API is described at /docs and /openapi.json' }),
  notFound: (what: 'capability' | 'facet', name: string) =>
    problem(404, `${what}_not_found`, `No such ${what}`, { detail: `There is no ${what} ${name}` }),
};

const sentence = (errors: ValidationIssue[]): string | undefined => {
  const first = errors[0];
  if (!first) return undefined;
  const more = errors.length > 1 ? ` (and ${errors.length - 1} more)` : '';
  return `${first.pointer || '/'}: ${first.message}${more}`;
};
