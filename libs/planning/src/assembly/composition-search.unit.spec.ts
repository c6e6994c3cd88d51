import * as fc from 'fast-check';
import { costOf, type CompositionProblem } from './composition-problem.js';
import { searchComposition } from './composition-search.js';
import { LayeredRun } from './layered-run.js';

const unlimited = { clock: () => 0, deadline: 1 };

/** Problems small enough to try every subset. */
const smallProblems = fc
  .record({ facetCount: fc.integer({ min: 2, max: 9 }), candidates: fc.integer({ min: 1, max: 9 }) })
  .chain(({ facetCount, candidates }) => {
    const facets = (minLength: number, maxLength: number) =>
      fc.uniqueArray(fc.integer({ min: 0, max: facetCount - 1 }), { minLength, maxLength });
    return fc.record({
      facetCount: fc.constant(facetCount),
      needs: fc.array(facets(0, 3), { minLength: candidates, maxLength: candidates }),
      gives: fc.array(facets(1, 4), { minLength: candidates, maxLength: candidates }),
      cost: fc.array(fc.integer({ min: 1, max: 4 }), { minLength: candidates, maxLength: candidates }),
      goals: facets(1, 3),
      depth: fc.integer({ min: 1, max: 6 }),
    });
  });

function reaches(problem: CompositionProblem, chosen: readonly number[]): boolean {
  const run = new LayeredRun(problem);
  for (const candidate of chosen) run.add(candidate);
  return run.reachesGoals;
}

function cheapestByTrial(problem: CompositionProblem): number | undefined {
  let best: number | undefined;
  for (let subset = 0; subset < 1 << problem.needs.length; subset += 1) {
    const chosen = [...problem.needs.keys()].filter((candidate) => ((subset >> candidate) & 1) === 1);
    const cost = costOf(problem, chosen);
    if ((best === undefined || cost < best) && reaches(problem, chosen)) best = cost;
  }
  return best;
}

describe('The search for a cheapest composition', () => {
  it('finds what trying every subset finds, and proves it', () => {
    fc.assert(
      fc.property(smallProblems, (problem) => {
        const found = searchComposition(problem, unlimited);
        expect(found?.cost).toBe(cheapestByTrial(problem));
        if (found === undefined) return;
        expect(found.proven).toBe(true);
        expect(costOf(problem, found.chosen)).toBe(found.cost);
        expect(reaches(problem, found.chosen)).toBe(true);
      }),
      { numRuns: 800 },
    );
  });

  it('hands over a solution without proof when the time is up at once', () => {
    fc.assert(
      fc.property(smallProblems, (problem) => {
        const found = searchComposition(problem, { clock: () => 1, deadline: 1 });
        if (found === undefined) return expect(cheapestByTrial(problem)).toBeUndefined();
        expect(reaches(problem, found.chosen)).toBe(true);
        return expect(found.lowerBound).toBeLessThanOrEqual(cheapestByTrial(problem)!);
      }),
      { numRuns: 300 },
    );
  });
});
