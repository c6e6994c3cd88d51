import { commonProblems, routes, type Rejection } from '@flex/contracts';
import { refuse } from './problems.js';

/** Of those that say something of what they are given; the others take anything. */
const given: Record<string, unknown[]> = { methodNotAllowed: [['GET']], rateLimited: [1], notFound: ['facet', 'x'] };
const made = Object.entries(refuse).map(
  ([name, make]) => (make as (...words: unknown[]) => Rejection)(...(given[name] ?? [[], []])).problem,
);
/** Of addresses, not of operations. */
const UNROUTED = ['method_not_allowed', 'not_found'];

describe('refusals', () => {
  it('are documented where they can be met', () => {
    const documented = new Set<string>([...commonProblems, ...routes.flatMap(({ problems }) => [...problems])]);
    const missing = made.map(({ code }) => code).filter((code) => !documented.has(code) && !UNROUTED.includes(code));
    expect(missing).toEqual([]);
  });

  it('have one title each, which does not vary with the case', () => {
    const titles = new Map(made.map(({ code, title }) => [code, title]));
    for (const { code, title } of made) expect(title).toBe(titles.get(code));
  });

  it('name whole seconds to wait', () => {
    expect(refuse.rateLimited(0.006).problem.extensions).toEqual({ retryAfter: 1 });
  });
});
