import { compose, reachAll, rowOf, type CompositionAnswer } from './compose.js';
import { UNREACHED } from './forward-reachability.js';
import type { PlanningWorld } from './planning-world.js';

/** The capabilities that a plan is made of, before branches, checks and fallbacks. */
export interface Core {
  readonly answer: CompositionAnswer;
  /** Facets that nothing registered can make and that a person is asked for. */
  readonly gaps: readonly number[];
  /** Goals that can't be had without a person, whatever they are made from. */
  readonly missing: readonly number[];
}

export interface CoreQuestion {
  readonly goals: readonly number[];
  readonly forced: readonly number[];
  readonly clock: () => number;
  readonly deadline: number;
  /** What has to be saved, before everything else, because a limit would be crossed. */
  readonly save?: 'tokens' | 'price';
}

/** What being too weak costs in the search: more than any number of strong ones. */
const WEAK = 1e10;
/** Layers beyond the fewest, where tokens come before depth. */
const FRUGAL_SLACK = 3;

/** The cheapest capabilities that make the goals: strong ones if they suffice, else weak ones too, else with a person's help. */
export function chooseCore(world: PlanningWorld, question: CoreQuestion): Core {
  const { index, allowed } = world;
  const strong = allowed.slice();
  let weak = 0;
  for (let capability = 0; capability < strong.length; capability += 1) {
    if (strong[capability] === 0 || world.reach.capabilityLayer[capability]! >= UNREACHED) continue;
    if (question.forced.includes(capability) || !isWeak(world, capability)) continue;
    strong[capability] = 0;
    weak += 1;
  }
  const strongReach = weak === 0 ? world.reach : reachAll(index, world.provided, strong);
  const reached = (goal: number): boolean => strongReach.facetLayer[goal]! < UNREACHED;
  const forcedReached = question.forced.every((capability) => strongReach.capabilityLayer[capability]! < UNREACHED);
  if (question.goals.every(reached) && forcedReached) {
    const answer = search(world, question, strong, world.provided, question.goals, strongReach);
    if (answer !== undefined) return { answer, gaps: [], missing: [] };
  }
  const missing = question.goals.filter((goal) => world.reach.facetLayer[goal]! >= UNREACHED);
  if (missing.length === 0) {
    const answer = search(world, question, allowed, world.provided, question.goals, world.reach);
    if (answer !== undefined) return { answer, gaps: [], missing };
  }
  return withPerson(world, question, missing);
}

/** Below the threshold, and not asked for by name. */
export function isWeak(world: PlanningWorld, capability: number): boolean {
  const { require, prefer } = world.question.policies.planner.selection;
  const { capabilityId } = world.capability(capability);
  if (require.includes(capabilityId) || prefer.includes(capabilityId)) return false;
  return world.score(capability).score < world.settings.threshold;
}

function search(
  world: PlanningWorld,
  question: CoreQuestion,
  allowed: Uint8Array,
  provided: readonly number[],
  goals: readonly number[],
  reach: CompositionAnswer['reach'],
): CompositionAnswer | undefined {
  const { objective } = world.question.policies.planner.optimisation;
  const forced = question.forced.filter((capability) => reach.capabilityLayer[capability]! < UNREACHED);
  return compose(
    {
      index: world.index,
      provided,
      goals,
      forced,
      allowed,
      cost: (capability) => searchCost(world, capability, question.save),
      slack: objective === 'token_efficiency' || question.save !== undefined ? FRUGAL_SLACK : 0,
      budget: { clock: question.clock, deadline: question.deadline },
    },
    reach,
  );
}

/**
 * What using a capability costs in the search, by objective: as few as possible and then the best (default, diversity); the
 * fastest (speed); the fewest tokens (token_efficiency); the best, with less regard for their number (quality). How much of its
 * output is of use is not part of it: that shows in the number.
 */
function searchCost(world: PlanningWorld, capability: number, save: CoreQuestion['save']): number {
  const { breakdown, score } = world.score(capability);
  const { weights, threshold } = world.settings;
  const flaw = 1 - Math.min(1, score + (weights.facetAlignment * (1 - breakdown.facetAlignment)) / sumOf(weights));
  const penalty = Math.round(flaw * 1000);
  const weak = score < threshold && isWeak(world, capability) ? WEAK : 0;
  const { cost } = world.capability(capability);
  if (save === 'tokens') return weak + 1000 + Math.round((cost?.estimatedTokens ?? 0) * 1000) + penalty;
  if (save === 'price')
    return weak + 1000 + Math.round((cost?.estimatedTokens ?? 0) * (cost?.pricePer1kTokens ?? 0) * 1000) + penalty;
  switch (world.question.policies.planner.optimisation.objective) {
    case 'speed':
      return weak + 1000 + Math.round((cost?.estimatedMs ?? 2000) * 100) + penalty;
    case 'token_efficiency':
      return weak + 1000 + Math.round((cost?.estimatedTokens ?? 1000) * 1000) + penalty;
    case 'quality':
      return weak + 200_000 + penalty * 1000;
    case 'diversity':
    case undefined:
      return weak + 1_000_000 + penalty;
  }
}

const sumOf = (weights: Readonly<Record<string, number>>): number =>
  Object.values(weights).reduce((sum, weight) => sum + weight, 0);

/**
 * Something can't be made. A person gives what nobody makes and the rest is composed from it, unless that would ask more of the
 * person than giving the missing goals themselves.
 */
function withPerson(world: PlanningWorld, question: CoreQuestion, missing: readonly number[]): Core {
  const leaves = unmakeable(world, missing);
  if (leaves.length > 0) {
    const provided = [...world.provided, ...leaves];
    const reach = reachAll(world.index, provided, world.allowed);
    const answer = search(world, question, world.allowed, provided, question.goals, reach);
    if (answer !== undefined) {
      const read = new Set(answer.chosen.flatMap((capability) => [...rowOf(world.index.requiredInputs, capability)]));
      const wanted = new Set([...read, ...question.goals]);
      const used = mostSpecial(
        world,
        leaves.filter((leaf) => world.lineage(leaf).some((one) => wanted.has(one))),
      );
      if (used.length <= Math.max(1, missing.length)) return { answer, gaps: used, missing };
    }
  }
  const rest = question.goals.filter((goal) => !missing.includes(goal));
  const answer = search(world, question, world.allowed, world.provided, rest, world.reach);
  const nothing: CompositionAnswer = { chosen: [], layerOf: new Map(), depth: 0, proven: true, reach: world.reach };
  return { answer: answer ?? nothing, gaps: mostSpecial(world, missing), missing };
}

/** Without facets that another of them specialises: who gives the child gives the parent. */
function mostSpecial(world: PlanningWorld, facets: readonly number[]): number[] {
  return facets.filter((facet) => !facets.some((other) => other !== facet && world.lineage(other).includes(facet)));
}

/** What is needed for some goals, can't be had, and is written by nothing that may be used. */
export function unmakeable(world: PlanningWorld, goals: readonly number[]): number[] {
  const { index, allowed, reach } = world;
  const producers = new Map<number, number[]>();
  for (let capability = 0; capability < allowed.length; capability += 1) {
    if (allowed[capability] === 0) continue;
    for (const output of rowOf(index.outputs, capability))
      for (const facet of world.lineage(output)) {
        const known = producers.get(facet);
        if (known === undefined) producers.set(facet, [capability]);
        else known.push(capability);
      }
  }
  const leaves: number[] = [];
  const seen = new Set(goals);
  for (const facet of seen) {
    const makers = producers.get(facet) ?? [];
    if (makers.length === 0) leaves.push(facet);
    for (const maker of makers)
      for (const need of rowOf(index.requiredInputs, maker)) if (reach.facetLayer[need]! >= UNREACHED) seen.add(need);
  }
  return leaves;
}
