import { seededIntegers } from './composition-generator.js';
import { costOf, type CompositionProblem } from './composition-problem.js';
import { greedyComposition } from './greedy-composition.js';
import { LayeredRun } from './layered-run.js';
import { RepairSearch } from './repair-search.js';

/** Few layers of many facets, and many candidates that offer overlapping parts of them: where greedy choices cost most. */
function wideProblem(seed: number): CompositionProblem {
  const dice = seededIntegers(seed);
  const [depth, width, rivals] = [4, 14, 40];
  const needs: number[][] = [];
  const gives: number[][] = [];
  const some = (layer: number, count: number): number[] => [
    ...new Set(Array.from({ length: count }, () => layer * width + dice(width))),
  ];
  for (let layer = 0; layer < depth; layer += 1)
    for (let rival = 0; rival < rivals; rival += 1) {
      needs.push(layer === 0 ? [] : some(layer - 1, 1 + dice(4)));
      gives.push([...new Set([layer * width + (rival % width), ...some(layer, dice(4))])]);
    }
  const cost = needs.map(() => 1);
  return { facetCount: depth * width, needs, gives, cost, goals: some(depth - 1, 8), depth };
}

/** The cost of the greedy solution, and of what repairs make of it. */
function repaired(seed: number): [greedy: number, best: number] {
  const problem = wideProblem(seed);
  const repairs = new RepairSearch(problem);
  const greedy = greedyComposition(problem)!;
  let best = greedy;
  for (;;) {
    const better = repairs.improve(best, costOf(problem, best), 60, () => false);
    if (better === undefined) return [greedy.length, best.length];
    expect(costOf(problem, better)).toBeLessThan(costOf(problem, best));
    const run = new LayeredRun(problem);
    for (const candidate of better) run.add(candidate);
    expect(run.reachesGoals).toBe(true);
    best = better;
  }
}

describe('Repairing a composition', () => {
  it('finds cheaper ones, which reach the goals, where the greedy choice was poor', () => {
    const pairs = Array.from({ length: 12 }, (_, seed) => repaired(seed));
    const sum = (at: 0 | 1): number => pairs.reduce((total, pair) => total + pair[at], 0);
    expect(sum(1)).toBeLessThan(sum(0) * 0.95);
  });

  it('does the same every time', () => {
    expect(repaired(3)).toEqual(repaired(3));
  });

  it('does nothing when the time is up', () => {
    const problem = wideProblem(5);
    const greedy = greedyComposition(problem)!;
    expect(new RepairSearch(problem).improve(greedy, greedy.length, 60, () => true)).toBeUndefined();
  });
});
