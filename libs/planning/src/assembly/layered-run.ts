import { UNREACHED } from './forward-reachability.js';
import type { CompositionProblem } from './composition-problem.js';

/**
 * The layered execution of a growing set of candidates: for each facet and candidate the earliest layer, kept up to date while
 * candidates are added, with undo.
 *
 * Reaching the goals within the depth is monotone in the set (more candidates never reach less), and that is all the search
 * relies on.
 */
export class LayeredRun {
  readonly facetLayer: Int32Array;
  readonly candidateLayer: Int32Array;
  private readonly member: Uint8Array;
  private readonly consumers: readonly (readonly number[])[];
  private readonly trail: number[] = [];
  private readonly queue: number[] = [];

  constructor(
    private readonly problem: CompositionProblem,
    consumers?: readonly (readonly number[])[],
  ) {
    this.facetLayer = new Int32Array(problem.facetCount).fill(UNREACHED);
    this.candidateLayer = new Int32Array(problem.needs.length).fill(UNREACHED);
    this.member = new Uint8Array(problem.needs.length);
    this.consumers = consumers ?? consumersOf(problem);
  }

  has(candidate: number): boolean {
    return this.member[candidate] === 1;
  }

  get reachesGoals(): boolean {
    for (const goal of this.problem.goals) if (this.facetLayer[goal]! > this.problem.depth) return false;
    return true;
  }

  clear(): void {
    this.facetLayer.fill(UNREACHED);
    this.candidateLayer.fill(UNREACHED);
    this.member.fill(0);
    this.trail.length = 0;
  }

  /** Adds a candidate for good. */
  add(candidate: number): void {
    if (this.member[candidate] === 1) return;
    this.trail.length = 0;
    this.join(candidate);
  }

  /** Adds a candidate unless the goals would then be reached; tells whether it was added. */
  addUnlessReaching(candidate: number): boolean {
    if (this.member[candidate] === 1) return true;
    this.trail.length = 0;
    this.join(candidate);
    if (!this.reachesGoals) return true;
    this.undo(candidate);
    return false;
  }

  private join(candidate: number): void {
    this.member[candidate] = 1;
    this.update(candidate);
    const queue = this.queue;
    for (let head = 0; head < queue.length; head += 1) {
      for (const consumer of this.consumers[queue[head]!]!) if (this.member[consumer] === 1) this.update(consumer);
    }
    queue.length = 0;
  }

  /** Recomputes one candidate's layer; facets that became available earlier go into the queue. */
  private update(candidate: number): void {
    let layer = 0;
    for (const facet of this.problem.needs[candidate]!)
      if (this.facetLayer[facet]! > layer) layer = this.facetLayer[facet]!;
    layer += 1;
    if (layer > this.problem.depth || layer >= this.candidateLayer[candidate]!) return;
    this.trail.push(-1 - candidate, this.candidateLayer[candidate]!);
    this.candidateLayer[candidate] = layer;
    for (const facet of this.problem.gives[candidate]!) {
      if (this.facetLayer[facet]! <= layer) continue;
      this.trail.push(facet, this.facetLayer[facet]!);
      this.facetLayer[facet] = layer;
      this.queue.push(facet);
    }
  }

  private undo(candidate: number): void {
    for (let at = this.trail.length - 2; at >= 0; at -= 2) {
      const what = this.trail[at]!;
      if (what < 0) this.candidateLayer[-1 - what] = this.trail[at + 1]!;
      else this.facetLayer[what] = this.trail[at + 1]!;
    }
    this.trail.length = 0;
    this.member[candidate] = 0;
  }
}

/** For each facet the candidates that need it. */
export function consumersOf(problem: CompositionProblem): number[][] {
  return transposed(problem.needs, problem.facetCount);
}

/** For each facet the candidates that give it. */
export function producersOf(problem: CompositionProblem): number[][] {
  return transposed(problem.gives, problem.facetCount);
}

function transposed(rows: readonly (readonly number[])[], columns: number): number[][] {
  const result: number[][] = Array.from({ length: columns }, () => []);
  rows.forEach((row, at) => {
    for (const column of row) result[column]!.push(at);
  });
  return result;
}
