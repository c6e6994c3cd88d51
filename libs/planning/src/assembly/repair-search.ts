import { seededIntegers } from './composition-generator.js';
import { costOf, type CompositionProblem } from './composition-problem.js';
import { backwardChoice, facetEffort, withoutSuperfluous } from './greedy-composition.js';
import { LayeredRun, producersOf } from './layered-run.js';

/**
 * Quick improvements of a composition: makes a connected part of it unattractive, lets the greedy choice mend it, takes out
 * what that makes superfluous, and goes on from there if it costs no more. Finds good compositions of wide problems long before
 * clauses do; proves nothing. Repeatable: its dice are its own and always fall the same.
 */
export class RepairSearch {
  private readonly dice = seededIntegers(1);
  private readonly everything: LayeredRun;
  private readonly some: LayeredRun;
  private readonly producers: readonly (readonly number[])[];
  private readonly effort: Float64Array;
  private current: readonly number[] = [];
  private currentCost = Infinity;

  constructor(private readonly problem: CompositionProblem) {
    this.everything = new LayeredRun(problem);
    for (let candidate = 0; candidate < problem.needs.length; candidate += 1) this.everything.add(candidate);
    this.some = new LayeredRun(problem);
    this.producers = producersOf(problem);
    this.effort = facetEffort(problem, this.everything, this.producers);
  }

  /** The first one cheaper than the given, or undefined after so many tries. */
  improve(best: readonly number[], bestCost: number, tries: number, exhausted: () => boolean): number[] | undefined {
    if (bestCost < this.currentCost) [this.current, this.currentCost] = [best, bestCost];
    for (let at = 0; at < tries && !exhausted(); at += 1) {
      const mended = this.mended();
      const cost = costOf(this.problem, mended);
      if (cost > this.currentCost) continue;
      [this.current, this.currentCost] = [mended, cost];
      if (cost < bestCost) return mended;
    }
    return undefined;
  }

  private mended(): number[] {
    const { problem, dice } = this;
    const torn = this.connectedPart(2 + dice(Math.max(1, this.current.length >> 1)));
    const price = Float64Array.from(problem.cost, (cost) => cost * (0.75 + dice(512) / 1024));
    for (const candidate of this.current)
      price[candidate] = problem.cost[candidate]! * (torn.has(candidate) ? 2 : 0.05);
    const foresight = [1, 0.5, 0.25, 2][dice(4)]!;
    const chosen = backwardChoice(problem, this.everything, this.producers, this.effort, foresight, price);
    const order = new Map(chosen.map((candidate) => [candidate, price[candidate]! * (1 + dice(64))]));
    return withoutSuperfluous(
      problem,
      chosen.sort((a, b) => order.get(b)! - order.get(a)!),
      this.some,
    );
  }

  /** Some of the current composition that hang together: by what one gives and the other needs, or by needing the same. */
  private connectedPart(size: number): Set<number> {
    const { needs, gives } = this.problem;
    const part = new Set([this.current[this.dice(this.current.length)]!]);
    const touched = new Set<number>();
    const touch = (candidate: number): void => {
      for (const facet of needs[candidate]!) touched.add(facet);
      for (const facet of gives[candidate]!) touched.add(facet);
    };
    part.forEach(touch);
    const touches = (facet: number): boolean => touched.has(facet);
    while (part.size < size) {
      const near = this.current.filter(
        (candidate) => !part.has(candidate) && (needs[candidate]!.some(touches) || gives[candidate]!.some(touches)),
      );
      if (near.length === 0) break;
      const next = near[this.dice(near.length)]!;
      part.add(next);
      touch(next);
    }
    return part;
  }
}
