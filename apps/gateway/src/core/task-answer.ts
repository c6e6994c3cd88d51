import type { EventData, Json, JsonSchema, NewEvent, ResolveBody, ValidationIssue } from '@flex/contracts';
import type { TaskView } from './run-summary.js';

const fits: Record<string, readonly string[]> = {
  review: ['approve', 'edit', 'reject'],
  approval: ['approve', 'reject'],
  output: ['output', 'answer', 'reject'],
  escalation: ['approve', 'reject', 'output', 'answer'],
};

/** Judges a value by a JSON schema. */
export type Validate = (schema: JsonSchema, value: Json) => ValidationIssue[];

/** What is wrong with an answer, with pointers into it; empty when it fits the task. */
export function answerIssues(
  task: TaskView,
  body: ResolveBody,
  validate: Validate,
  keyOf: (facet: string) => string,
): ValidationIssue[] {
  const { resolution, output, answer, operations, branches } = body;
  // Whoever is shown all that is asked for may simply confirm it.
  const shown = task.contract?.facets.every((facet) => task.context?.[facet] !== undefined) ?? false;
  const allowed = [...(task.kind === 'output' && shown ? ['approve'] : []), ...(fits[task.kind] ?? [])];
  if (!allowed.includes(resolution)) {
    return [
      { pointer: '/resolution', message: `a task of kind ${task.kind} takes ${allowed.join(', ')}`, keyword: 'enum' },
    ];
  }
  if (resolution === 'edit' && !operations?.length === !branches?.length)
    return [{ pointer: '/operations', message: 'an edit has either "operations" or "branches"', keyword: 'required' }];
  if (resolution === 'output' && output === undefined)
    return [{ pointer: '/output', message: '"output" is required', keyword: 'required' }];
  if (resolution === 'answer' && answer === undefined)
    return [{ pointer: '/answer', message: '"answer" is required', keyword: 'required' }];
  if (!task.contract || (resolution !== 'output' && resolution !== 'answer')) return [];
  const { facets, schema } = task.contract;
  if (resolution === 'answer' && facets.length !== 1) {
    return [
      {
        pointer: '/resolution',
        message: `${facets.length} facets are asked for: answer with "output"`,
        keyword: 'enum',
      },
    ];
  }
  const values = resolution === 'answer' ? { [facets[0]!]: answer as Json } : (output ?? {});
  const unknown = Object.keys(values).find((facet) => !facets.includes(facet));
  if (unknown !== undefined)
    return [{ pointer: `/output/${unknown}`, message: `is not asked for; asked are ${facets.join(', ')}` }];
  const named = Object.fromEntries(Object.entries(values).map(([facet, value]) => [keyOf(facet), value]));
  return validate(schema, named).map((issue) => ({
    ...issue,
    pointer: pointerIntoBody(issue.pointer, resolution, facets, keyOf),
  }));
}

/** The schema speaks of property keys, the body of facets. */
function pointerIntoBody(
  pointer: string,
  resolution: string,
  facets: string[],
  keyOf: (facet: string) => string,
): string {
  const [, key = '', ...rest] = pointer.split('/');
  const facet = facets.find((name) => keyOf(name) === key) ?? key;
  const tail = rest.length > 0 ? `/${rest.join('/')}` : '';
  if (resolution === 'answer') return `/answer${tail}`;
  return pointer === '' ? '/output' : `/output/${facet}${tail}`;
}

/** The event that an answer becomes. Two answers to one question get one id, so that the log keeps the first. */
export function answerEvent(
  task: TaskView,
  body: ResolveBody | { resolution: 'decline'; comment?: string },
  by: string | undefined,
): NewEvent {
  const id = `answer.${task.taskId}.${task.round}.${task.answers}`;
  const who = by === undefined ? {} : { by };
  const { resolution, comment } = body;
  if (task.kind === 'review' && (resolution === 'approve' || resolution === 'edit' || resolution === 'reject')) {
    const { operations, branches, baseVersion } = body as ResolveBody;
    const data: EventData<'plan.review_resolved'> = {
      taskId: task.taskId,
      decision: resolution,
      operations,
      branches,
      baseVersion,
      comment,
      ...who,
    };
    return { type: 'plan.review_resolved', runId: task.runId, id, data };
  }
  const { output, answer } = body as ResolveBody;
  return {
    type: 'hitl.resolved',
    runId: task.runId,
    id,
    data: { taskId: task.taskId, resolution, output, answer, comment, ...who },
  };
}
