import { readFileSync } from 'node:fs';
import { FatalError, RetryableError } from './errors.js';
import { failureOf } from './failure.js';
import { StepContext } from './step-context.js';

const read = (path: string): string => readFileSync(new URL(`../../../${path}`, import.meta.url), 'utf8');

describe('docs/agents.md', () => {
  const doc = read('docs/agents.md');

  it('shows the agent that the e2e suite runs, word for word', () => {
    expect(/```ts\n([\s\S]*?)\n```/.exec(doc)?.[1]).toBe(read('examples/agent.ts').trimEnd());
  });

  it('names only what a handler really has', () => {
    const members = new Set([
      ...Object.getOwnPropertyNames(StepContext.prototype),
      // Set by the constructor.
      'runId',
      'traceparent',
    ]);
    const named = [...doc.matchAll(/`ctx\.(\w+)/g)].map((match) => match[1]!);
    expect(named.length).toBeGreaterThan(8);
    expect(named.filter((name) => !members.has(name))).toEqual([]);
  });

  it('says of errors what reports carry', () => {
    expect(failureOf(new Error('x'))).toEqual({ code: 'WORKER_ERROR', message: 'x', retryable: true });
    expect(failureOf(new RetryableError('x', { code: 'BUSY' }))).toMatchObject({ code: 'BUSY', retryable: true });
    expect(failureOf(new FatalError('x'))).toMatchObject({ retryable: false });
  });
});
