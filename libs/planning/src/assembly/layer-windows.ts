import { UNREACHED } from './forward-reachability.js';
import type { CompositionProblem } from './composition-problem.js';
import { consumersOf, producersOf } from './layered-run.js';

/** When things can and have to happen at all: per candidate the earliest layer and the latest at which anything needs it (-1: never). */
export interface LayerWindows {
  readonly earliest: Int32Array;
  readonly latest: Int32Array;
  /** The latest layer after which each facet is of use (-1: of none). */
  readonly latestFacet: Int32Array;
}

export function layerWindows(problem: CompositionProblem): LayerWindows {
  const { facetCount, goals, depth, needs } = problem;
  const producers = producersOf(problem);
  const earliest = earliestLayers(problem);
  const latestFacet = new Int32Array(facetCount).fill(-1);
  const latest = new Int32Array(needs.length).fill(-1);
  for (const goal of goals) latestFacet[goal] = depth;
  // Latest layers only fall along the way back, so the first visit of a facet or candidate is its best.
  let frontier = [...goals];
  for (let layer = depth; layer >= 1 && frontier.length > 0; layer -= 1) {
    const next: number[] = [];
    for (const facet of frontier) {
      for (const candidate of producers[facet]!) {
        if (latest[candidate] !== -1 || earliest[candidate]! > layer) continue;
        latest[candidate] = layer;
        for (const need of needs[candidate]!) {
          if (latestFacet[need] !== -1) continue;
          latestFacet[need] = layer - 1;
          next.push(need);
        }
      }
    }
    frontier = next;
  }
  return { earliest, latest, latestFacet };
}

function earliestLayers(problem: CompositionProblem): Int32Array {
  const consumers = consumersOf(problem);
  const layerOf = new Int32Array(problem.needs.length).fill(UNREACHED);
  const missing = problem.needs.map((row) => row.length);
  const available = new Uint8Array(problem.facetCount);
  let running = [...missing.keys()].filter((candidate) => missing[candidate] === 0);
  for (let layer = 1; running.length > 0 && layer <= problem.depth; layer += 1) {
    const fresh: number[] = [];
    for (const candidate of running) {
      layerOf[candidate] = layer;
      for (const facet of problem.gives[candidate]!) {
        if (available[facet] === 1) continue;
        available[facet] = 1;
        fresh.push(facet);
      }
    }
    running = [];
    for (const facet of fresh)
      for (const consumer of consumers[facet]!) {
        missing[consumer]! -= 1;
        if (missing[consumer] === 0) running.push(consumer);
      }
  }
  return layerOf;
}
