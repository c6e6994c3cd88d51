import type { CompositionProblem } from './composition-problem.js';
import { layerWindows } from './layer-windows.js';
import { consumersOf, producersOf } from './layered-run.js';

/**
 * Makes a problem smaller without losing its optimum, and says which candidates of the original are left.
 *
 * Three sound steps, repeated until nothing changes:
 * - windows: a candidate whose earliest layer lies after the latest at which anything needs it, is out;
 * - implied needs: when every way to get one needed facet brings another along no later, the other needn't be asked for;
 * - dominance: a candidate is out when another needs no more, gives no less and costs no more.
 */
export function reduceProblem(original: CompositionProblem): { problem: CompositionProblem; candidateOf: number[] } {
  const reduction = new Reduction(original);
  do reduction.trimWindows();
  while (reduction.dropImpliedNeeds() || reduction.dropDominated());
  return reduction.result();
}

/** Above this many words the table of implied facets would cost more than it saves. */
const IMPLIED_TABLE_WORDS = 1 << 20;

class Reduction {
  private alive: number[];
  private readonly needs: number[][];
  private readonly gives: number[][];
  private implied: Uint32Array | undefined;
  private readonly words: number;

  constructor(private readonly original: CompositionProblem) {
    this.alive = original.needs.map((_, candidate) => candidate);
    this.needs = original.needs.map((row) => [...row]);
    this.gives = original.gives.map((row) => [...row]);
    this.words = (original.facetCount + 31) >>> 5;
  }

  private get current(): CompositionProblem {
    return { ...this.original, needs: this.needs, gives: this.gives };
  }

  trimWindows(): void {
    const { earliest, latest, latestFacet } = layerWindows(this.current);
    this.alive = this.alive.filter((candidate) => {
      if (latest[candidate] === -1) {
        this.remove(candidate);
        return false;
      }
      this.gives[candidate] = this.gives[candidate]!.filter((facet) => latestFacet[facet]! >= earliest[candidate]!);
      return true;
    });
  }

  private remove(candidate: number): void {
    this.needs[candidate] = [];
    this.gives[candidate] = [];
  }

  /**
   * For each facet the facets that are available no later, whichever way it is produced: the greatest solution of
   * implied(f) = {f} ∪ ⋂ over producers t of (gives(t) ∪ ⋃ over needs g of t of implied(g)).
   */
  private impliedFacets(): Uint32Array | undefined {
    const { facetCount } = this.original;
    const { words } = this;
    if (facetCount * words > IMPLIED_TABLE_WORDS) return undefined;
    const producers = producersOf(this.current);
    const consumers = consumersOf(this.current);
    const table = new Uint32Array(facetCount * words).fill(0xffffffff);
    const queued = new Uint8Array(facetCount);
    let queue: number[] = [];
    for (let facet = 0; facet < facetCount; facet += 1) {
      // A facet that nothing alive produces implies everything, vacuously; it never reaches the queue.
      if (producers[facet]!.length === 0) continue;
      queued[facet] = 1;
      queue.push(facet);
    }
    const meet = new Uint32Array(words);
    const join = new Uint32Array(words);
    while (queue.length > 0) {
      const next: number[] = [];
      for (const facet of queue) {
        queued[facet] = 0;
        meet.fill(0xffffffff);
        for (const producer of producers[facet]!) {
          join.fill(0);
          for (const give of this.gives[producer]!) join[give >>> 5]! |= 1 << (give & 31);
          for (const need of this.needs[producer]!)
            for (let word = 0; word < words; word += 1) join[word]! |= table[need * words + word]!;
          for (let word = 0; word < words; word += 1) meet[word]! &= join[word]!;
        }
        meet[facet >>> 5]! |= 1 << (facet & 31);
        let changed = false;
        for (let word = 0; word < words; word += 1) {
          const shrunk = (table[facet * words + word]! & meet[word]!) >>> 0;
          if (shrunk !== table[facet * words + word]) changed = true;
          table[facet * words + word] = shrunk;
        }
        if (!changed) continue;
        for (const consumer of consumers[facet]!)
          for (const affected of this.gives[consumer]!) {
            if (queued[affected] === 1) continue;
            queued[affected] = 1;
            next.push(affected);
          }
      }
      queue = next;
    }
    return table;
  }

  private implies(facet: number, other: number): boolean {
    if (facet === other) return true;
    if (this.implied === undefined) return false;
    return ((this.implied[facet * this.words + (other >>> 5)]! >>> (other & 31)) & 1) === 1;
  }

  dropImpliedNeeds(): boolean {
    this.implied = this.impliedFacets();
    if (this.implied === undefined) return false;
    let changed = false;
    for (const candidate of this.alive) {
      const kept = [...this.needs[candidate]!];
      for (let at = kept.length - 1; at >= 0; at -= 1) {
        const facet = kept[at]!;
        if (kept.some((other) => other !== facet && this.implies(other, facet))) kept.splice(at, 1);
      }
      if (kept.length === this.needs[candidate]!.length) continue;
      this.needs[candidate] = kept;
      changed = true;
    }
    return changed;
  }

  dropDominated(): boolean {
    const producers = producersOf(this.current);
    const dead = new Uint8Array(this.needs.length);
    let changed = false;
    for (const candidate of this.alive) {
      const gives = this.gives[candidate]!;
      let rarest = producers[gives[0]!]!;
      for (const facet of gives) if (producers[facet]!.length < rarest.length) rarest = producers[facet]!;
      if (!rarest.some((other) => other !== candidate && dead[other] === 0 && this.dominates(other, candidate)))
        continue;
      dead[candidate] = 1;
      changed = true;
    }
    if (!changed) return false;
    this.alive = this.alive.filter((candidate) => {
      if (dead[candidate] === 1) this.remove(candidate);
      return dead[candidate] === 0;
    });
    return true;
  }

  private dominates(better: number, worse: number): boolean {
    const { cost } = this.original;
    if (cost[better]! > cost[worse]!) return false;
    const gives = this.gives[better]!;
    for (const facet of this.gives[worse]!) if (!gives.includes(facet)) return false;
    const needs = this.needs[worse]!;
    for (const facet of this.needs[better]!) if (!needs.some((need) => this.implies(need, facet))) return false;
    return true;
  }

  result(): { problem: CompositionProblem; candidateOf: number[] } {
    const used = new Map<number, number>();
    const renumber = (facet: number): number => {
      let number = used.get(facet);
      if (number === undefined) {
        number = used.size;
        used.set(facet, number);
      }
      return number;
    };
    const goals = this.original.goals.map(renumber);
    const needs = this.alive.map((candidate) => this.needs[candidate]!.map(renumber));
    const gives = this.alive.map((candidate) =>
      this.gives[candidate]!.filter((facet) => used.has(facet)).map(renumber),
    );
    return {
      problem: {
        facetCount: used.size,
        needs,
        gives,
        cost: this.alive.map((candidate) => this.original.cost[candidate]!),
        goals,
        depth: this.original.depth,
      },
      candidateOf: this.alive,
    };
  }
}
