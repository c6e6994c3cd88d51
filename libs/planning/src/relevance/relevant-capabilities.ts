import type { PlanningQuestion } from '../validation/planning-question.js';
import { unmakeable } from '../assembly/choose-core.js';
import { rowOf } from '../assembly/compose.js';
import { UNREACHED } from '../assembly/forward-reachability.js';
import { goalsOf, type GoalReason } from '../assembly/goals.js';
import { PlanningWorld } from '../assembly/planning-world.js';

/** Why a capability matters to a plan, and through which facets. */
export interface Relevance {
  readonly capabilityId: string;
  readonly reason: GoalReason;
  /** What it gives that is wanted. */
  readonly gives: readonly string[];
  readonly requiredInputs: readonly string[];
  readonly optionalInputs: readonly string[];
}

export interface RelevantCapabilities {
  /** Ids, those nearest to the goals first. */
  readonly capabilities: string[];
  /** The facets that these capabilities and the goals speak of. */
  readonly facets: string[];
  readonly because: readonly Relevance[];
  /** Wanted facets that can't be had, and what would have to be given for them. */
  readonly unreachable: readonly string[];
  readonly lacking: readonly string[];
}

/** More than a planner, or a reader of the log, can look at. */
const MOST = 200;

/**
 * The capabilities that can take part in a plan: what can run with what there is (all required inputs can be had; a wanted facet
 * doesn't count as there) and gives something on a way to a goal. Checks on a goal belong to it too.
 */
export function relevantCapabilities(question: PlanningQuestion): RelevantCapabilities {
  const world = new PlanningWorld(question);
  const goals = goalsOf(world);
  const { index, reach } = world;
  const reasonOf = new Map<number, GoalReason>();
  for (const [name, reason] of goals.wanted) {
    const facet = index.facetIds.get(name);
    if (facet !== undefined) reasonOf.set(facet, reason);
  }
  const producers = new Map<number, number[]>();
  const reachedNumbers: number[] = [];
  reach.capabilityLayer.forEach((layer, capability) => {
    if (layer >= UNREACHED) return;
    reachedNumbers.push(capability);
    for (const output of rowOf(index.outputs, capability))
      for (const facet of world.lineage(output)) {
        const known = producers.get(facet);
        if (known === undefined) producers.set(facet, [capability]);
        else if (known.at(-1) !== capability) known.push(capability);
      }
  });

  const because = new Map<number, { reason: GoalReason; gives: Set<number> }>();
  const queue = [...reasonOf.keys()];
  for (const facet of queue) {
    if (reach.facetLayer[facet] === 0) continue;
    for (const capability of producers.get(facet) ?? []) {
      const known = because.get(capability);
      if (known !== undefined) {
        known.gives.add(facet);
        continue;
      }
      because.set(capability, { reason: reasonOf.get(facet)!, gives: new Set([facet]) });
      for (const rows of [index.requiredInputs, index.optionalInputs])
        for (const need of rowOf(rows, capability)) {
          if (reasonOf.has(need)) continue;
          reasonOf.set(need, reasonOf.get(facet)!);
          queue.push(need);
        }
    }
  }
  const goalFacets = new Set([...goals.wanted.keys()].flatMap((name) => index.facetIds.get(name) ?? []));
  for (const capability of reachedNumbers) {
    if (because.has(capability) || world.capability(capability).kind !== 'validation') continue;
    if (rowOf(index.requiredInputs, capability).some((need) => goalFacets.has(need)))
      because.set(capability, { reason: 'path', gives: new Set() });
  }

  const chosen = [...because].slice(0, MOST);
  const names = (facets: Iterable<number>): string[] => [...facets].map((facet) => index.facetNames[facet]!);
  const relevances = chosen.map(([capability, { reason, gives }]): Relevance => ({
    capabilityId: world.capability(capability).capabilityId,
    reason,
    gives: names(gives),
    requiredInputs: names(rowOf(index.requiredInputs, capability)),
    optionalInputs: names(rowOf(index.optionalInputs, capability)),
  }));
  const facets = new Set([
    ...goals.wanted.keys(),
    ...relevances.flatMap((one) => [...one.requiredInputs, ...one.optionalInputs, ...one.gives]),
  ]);
  const unreachable = [...goals.wanted.keys()].filter((name) => world.layerOfFacet(name) >= UNREACHED);
  const lost = unreachable.flatMap((name) => index.facetIds.get(name) ?? []);
  return {
    capabilities: relevances.map((one) => one.capabilityId),
    facets: [...facets].slice(0, 5 * MOST),
    because: relevances,
    unreachable,
    lacking: lost.length === 0 ? [] : names(unmakeable(world, lost)).slice(0, MOST),
  };
}
