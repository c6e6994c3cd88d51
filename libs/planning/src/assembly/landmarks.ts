import type { CompositionProblem } from './composition-problem.js';
import type { LayerWindows } from './layer-windows.js';
import { consumersOf, LayeredRun } from './layered-run.js';

/** Sets of candidates of which every composition contains one. */
export class Landmarks {
  private readonly layered: LayeredRun;

  constructor(
    private readonly problem: CompositionProblem,
    private readonly windows: LayerWindows,
    /** Whom to leave out last: what comes first is rather not part of a landmark. */
    private readonly growthOrder: readonly number[],
  ) {
    this.layered = new LayeredRun(problem, consumersOf(problem));
  }

  /** Grows a set that doesn't reach the goals until it just doesn't; what it leaves out is a landmark. Undefined for a set that does. */
  missedBy(chosen: readonly number[], order: readonly number[] = this.growthOrder): number[] | undefined {
    this.layered.clear();
    for (const candidate of chosen) this.layered.add(candidate);
    if (this.layered.reachesGoals) return undefined;
    const landmark: number[] = [];
    for (const candidate of order) if (!this.layered.addUnlessReaching(candidate)) landmark.push(candidate);
    return landmark;
  }

  /** Landmarks that share no candidate, packed in the best of some ways: their least costs together are a lower bound. */
  disjoint(exhausted: () => boolean): number[][] {
    let best: number[][] = [];
    let most = -1;
    const { earliest } = this.windows;
    const byLayer = (direction: number) => (a: number, b: number) => direction * (earliest[a]! - earliest[b]!) || a - b;
    const orders = [this.growthOrder, [...this.growthOrder].sort(byLayer(1)), [...this.growthOrder].sort(byLayer(-1))];
    for (const first of [[], this.ofLayers(exhausted)])
      for (const order of orders) {
        const packed = this.packed(first, order, exhausted);
        const bound = packed.reduce((sum, landmark) => sum + this.leastCost(landmark), 0);
        if (bound > most) [best, most] = [packed, bound];
      }
    return best;
  }

  private packed(first: readonly number[][], order: readonly number[], exhausted: () => boolean): number[][] {
    const packed = [...first];
    const covered = packed.flat();
    while (!exhausted()) {
      const landmark = this.missedBy(covered, order);
      if (landmark === undefined) break;
      covered.push(...landmark);
      packed.push(landmark);
    }
    return packed;
  }

  /**
   * Where no layer can be saved, something has to run in each: of the candidates that fit into one layer only, which are a
   * landmark of their own for every layer that the longest chain of needs passes through.
   */
  private ofLayers(exhausted: () => boolean): number[][] {
    const { earliest, latest } = this.windows;
    const found: number[][] = [];
    for (let layer = 1; layer <= this.problem.depth && !exhausted(); layer += 1) {
      const others = this.growthOrder.filter((one) => earliest[one] !== layer || latest[one] !== layer);
      const landmark = this.missedBy(others);
      if (landmark !== undefined) found.push(landmark);
    }
    return found;
  }

  private readonly leastCost = (landmark: readonly number[]): number =>
    landmark.reduce((least, candidate) => Math.min(least, this.problem.cost[candidate]!), Infinity);
}
