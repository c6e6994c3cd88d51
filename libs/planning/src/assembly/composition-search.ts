import { costOf, type Composition, type CompositionProblem, type SearchBudget } from './composition-problem.js';
import { reduceProblem } from './composition-reduction.js';
import { CoreGuidedSearch } from './core-guided-search.js';
import { greedyComposition } from './greedy-composition.js';

/**
 * The cheapest composition within the problem's depth: reduce, take a greedy solution, then improve it and prove it minimal
 * for as long as the budget lasts. Undefined when the goals can't be reached within the depth.
 */
export function searchComposition(original: CompositionProblem, budget: SearchBudget): Composition | undefined {
  const { problem, candidateOf } = reduceProblem(original);
  const first = greedyComposition(problem);
  if (first === undefined) return undefined;
  const found = new CoreGuidedSearch(problem, first, costOf(problem, first), budget).run();
  return { ...found, chosen: found.chosen.map((candidate) => candidateOf[candidate]!).sort((a, b) => a - b) };
}
