import { UNREACHED, type Reachability } from './forward-reachability.js';
import type { RegistryIndex } from './registry-index.js';

/**
 * Which candidates to run, of those that can take part: choose a cheapest set that, executed layer by layer, makes all goals
 * available within `depth` layers.
 *
 * Facets and candidates are small integers of this problem alone. Facets that are provided don't occur; `gives` is closed
 * under `extends` already (a child's producer gives the parent too).
 */
export interface CompositionProblem {
  readonly facetCount: number;
  readonly needs: readonly (readonly number[])[];
  readonly gives: readonly (readonly number[])[];
  readonly cost: readonly number[];
  readonly goals: readonly number[];
  readonly depth: number;
}

/** A problem together with what its integers stand for in the registry index. */
export interface ExtractedProblem {
  readonly problem: CompositionProblem;
  readonly capabilityOf: readonly number[];
  /** -1 stands for the use of a forced capability. */
  readonly facetOf: readonly number[];
}

/** A cheapest choice of candidates, or the best one found in time. */
export interface Composition {
  readonly chosen: readonly number[];
  readonly cost: number;
  /** No choice is cheaper than this; `proven` when it equals the cost. */
  readonly lowerBound: number;
  readonly proven: boolean;
}

export interface SearchBudget {
  readonly clock: () => number;
  /** In the clock's time, when the search has to hand over what it has. */
  readonly deadline: number;
}

/**
 * Cuts the problem out of the registry: candidates are the capabilities reached within `depth` layers, facets those that one of
 * them or a goal needs and that aren't provided.
 */
export function extractProblem(
  index: RegistryIndex,
  reach: Reachability,
  goals: readonly number[],
  depth: number,
  cost: (capability: number) => number,
  /** Capabilities that have to be used whatever for. */
  forced: readonly number[] = [],
): ExtractedProblem {
  const { requiredInputs, outputs, parent } = index;
  const capabilityOf: number[] = [];
  for (let capability = 0; capability < reach.capabilityLayer.length; capability += 1)
    if (reach.capabilityLayer[capability]! <= depth) capabilityOf.push(capability);

  const facetOf: number[] = [];
  const localFacet = new Map<number, number>();
  const intern = (facet: number): number => {
    let local = localFacet.get(facet);
    if (local === undefined) {
      local = facetOf.length;
      localFacet.set(facet, local);
      facetOf.push(facet);
    }
    return local;
  };
  const open = (facet: number): boolean => reach.facetLayer[facet]! > 0;
  const localGoals = [...new Set(goals.filter(open).map(intern))];
  const needs = capabilityOf.map((capability) => {
    const row: number[] = [];
    for (let at = requiredInputs.start[capability]!; at < requiredInputs.start[capability + 1]!; at += 1)
      if (open(requiredInputs.items[at]!)) row.push(intern(requiredInputs.items[at]!));
    return row;
  });
  const gives = capabilityOf.map((capability) => {
    const row = new Set<number>();
    for (let at = outputs.start[capability]!; at < outputs.start[capability + 1]!; at += 1) {
      for (let facet = outputs.items[at]!; facet !== -1 && reach.facetLayer[facet] !== 0; facet = parent[facet]!) {
        const local = localFacet.get(facet);
        if (local !== undefined) row.add(local);
      }
    }
    return [...row];
  });
  // Having used a forced capability is a goal of its own, which only that capability gives.
  for (const capability of forced) {
    const used = facetOf.push(-1) - 1;
    gives[capabilityOf.indexOf(capability)]!.push(used);
    localGoals.push(used);
  }
  return {
    problem: {
      facetCount: facetOf.length,
      needs,
      gives,
      cost: capabilityOf.map(cost),
      goals: localGoals,
      depth: Math.min(depth, UNREACHED - 1),
    },
    capabilityOf,
    facetOf,
  };
}

export function costOf(problem: CompositionProblem, chosen: readonly number[]): number {
  let total = 0;
  for (const candidate of chosen) total += problem.cost[candidate]!;
  return total;
}
