import { LayeredRun, producersOf } from './layered-run.js';
import { costOf, type CompositionProblem } from './composition-problem.js';

/**
 * A first solution: backward from the goals, latest layer first, always the producer that settles most open needs for what it
 * costs and newly asks for, with that weighed more or less; then everything superfluous is taken out. Undefined when even all candidates together don't reach
 * the goals.
 */
export function greedyComposition(problem: CompositionProblem): number[] | undefined {
  const run = new LayeredRun(problem);
  for (let candidate = 0; candidate < problem.needs.length; candidate += 1) run.add(candidate);
  if (!run.reachesGoals) return undefined;
  const producers = producersOf(problem);
  const effort = facetEffort(problem, run, producers);
  let best: number[] | undefined;
  for (const foresight of [1, 0.25, 4, 0]) {
    const chosen = withoutSuperfluous(problem, backwardChoice(problem, run, producers, effort, foresight));
    if (best === undefined || costOf(problem, chosen) < costOf(problem, best)) best = chosen;
  }
  return best;
}

export function backwardChoice(
  problem: CompositionProblem,
  run: LayeredRun,
  producers: readonly (readonly number[])[],
  effort: Float64Array,
  foresight: number,
  cost: ArrayLike<number> = problem.cost,
): number[] {
  const deadline = new Map<number, number>();
  for (const goal of problem.goals) deadline.set(goal, problem.depth);
  const chosen = new Set<number>();
  const settled = new Set<number>();

  const effortOf = (candidate: number): number => {
    let sum = cost[candidate]!;
    for (const need of problem.needs[candidate]!) if (!deadline.has(need)) sum += foresight * effort[need]!;
    return sum;
  };
  const worth = (candidate: number): number => {
    let settles = 0;
    for (const facet of problem.gives[candidate]!)
      if (!settled.has(facet) && (deadline.get(facet) ?? -1) >= run.candidateLayer[candidate]!) settles += 1;
    return settles / effortOf(candidate);
  };

  for (;;) {
    let facet = -1;
    for (const open of deadline.keys()) {
      if (settled.has(open)) continue;
      if (facet < 0 || run.facetLayer[open]! > run.facetLayer[facet]!) facet = open;
    }
    if (facet < 0) break;
    let pick = -1;
    let pickWorth = -1;
    for (const producer of producers[facet]!) {
      if (run.candidateLayer[producer]! > deadline.get(facet)!) continue;
      const value = worth(producer);
      if (value > pickWorth) {
        pick = producer;
        pickWorth = value;
      }
    }
    chosen.add(pick);
    const layer = run.candidateLayer[pick]!;
    for (const give of problem.gives[pick]!) if ((deadline.get(give) ?? -1) >= layer) settled.add(give);
    for (const need of problem.needs[pick]!) {
      const before = deadline.get(need);
      if (before !== undefined && before <= layer - 1) continue;
      deadline.set(need, layer - 1);
      if (before !== undefined && settled.has(need) && !settledBy(problem, run, chosen, need, layer - 1))
        settled.delete(need);
    }
  }
  return [...chosen];
}

function settledBy(
  problem: CompositionProblem,
  run: LayeredRun,
  chosen: ReadonlySet<number>,
  facet: number,
  deadline: number,
): boolean {
  for (const candidate of chosen)
    if (run.candidateLayer[candidate]! <= deadline && problem.gives[candidate]!.includes(facet)) return true;
  return false;
}

/** What a facet costs by its cheapest producer, each need counted on its own: a rough measure, fine for a first guess. */
export function facetEffort(
  problem: CompositionProblem,
  run: LayeredRun,
  producers: readonly (readonly number[])[],
): Float64Array {
  const effort = new Float64Array(problem.facetCount).fill(Infinity);
  const byLayer = [...effort.keys()].sort((a, b) => run.facetLayer[a]! - run.facetLayer[b]!);
  for (const facet of byLayer) {
    for (const producer of producers[facet]!) {
      if (run.candidateLayer[producer]! > run.facetLayer[facet]!) continue;
      let sum = problem.cost[producer]!;
      for (const need of problem.needs[producer]!) sum += effort[need]!;
      sum /= problem.gives[producer]!.length;
      if (sum < effort[facet]!) effort[facet] = sum;
    }
  }
  return effort;
}

/**
 * Takes candidates out, in the order given, as long as the rest still reaches the goals within the depth; what is left has none
 * to spare.
 */
export function withoutSuperfluous(
  problem: CompositionProblem,
  chosen: readonly number[],
  run = new LayeredRun(problem),
): number[] {
  const kept = new Set(chosen);
  const reaches = (): boolean => {
    run.clear();
    for (const candidate of kept) run.add(candidate);
    return run.reachesGoals;
  };
  for (const candidate of chosen) {
    kept.delete(candidate);
    if (!reaches()) kept.add(candidate);
  }
  return [...kept];
}
