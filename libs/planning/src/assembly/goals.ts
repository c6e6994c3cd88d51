import type { Json, PlannerDiagnostic, RegistrySnapshot } from '@flex/contracts';
import { compileFacets, validateFacets } from '../facets/compile-facets.js';
import { propertyKeyOf } from '../facets/extends-chain.js';
import { resolveFacets, resolveSchema, type ResolvedContract } from '../relevance/resolve-contract.js';
import { UNREACHED } from './forward-reachability.js';
import type { PlanningWorld } from './planning-world.js';

/** Why a facet is wanted. */
export type GoalReason = 'path' | 'goal_condition' | 'policy_reference';

export interface Goals {
  /** Facets that the plan has to make, by name, and why. */
  readonly wanted: ReadonlyMap<string, GoalReason>;
  readonly contract: ResolvedContract;
  readonly diagnostics: readonly PlannerDiagnostic[];
}

/** What the plan has to make: what the answer consists of, what goal conditions look at, and what policies read if it can be had. */
export function goalsOf(world: PlanningWorld): Goals {
  const { envelope, policies, snapshot } = world.question;
  const { outputContract } = envelope;
  const contract =
    outputContract.mode === 'freeform'
      ? freeform(world)
      : outputContract.mode === 'facets'
        ? resolveFacets(outputContract.facets, snapshot)
        : resolveSchema(outputContract.schema, supplyOf(world));
  const wanted = new Map<string, GoalReason>(contract.goals.map((goal) => [goal, 'path']));
  for (const { facet } of envelope.goalConditions ?? [])
    if (!wanted.has(facet) && snapshot.facets.has(facet)) wanted.set(facet, 'goal_condition');
  for (const policy of policies.runtime) {
    if (!policy.enabled) continue;
    for (const facet of policy.reads)
      if (!wanted.has(facet) && world.layerOfFacet(facet) < UNREACHED) wanted.set(facet, 'policy_reference');
  }
  return { wanted, contract, diagnostics: contract.diagnostics };
}

function supplyOf(world: PlanningWorld) {
  const { index } = world;
  const written = new Set<number>();
  for (let capability = 0; capability < world.allowed.length; capability += 1) {
    if (world.allowed[capability] === 0) continue;
    const { start, items } = index.outputs;
    for (let at = start[capability]!; at < start[capability + 1]!; at += 1)
      for (let facet = items[at]!; facet !== -1 && !written.has(facet); facet = index.parent[facet]!)
        written.add(facet);
  }
  const supply = (name: string): 0 | 1 | 2 => {
    const facet = index.facetIds.get(name);
    if (facet === undefined) return 0;
    if (world.reach.facetLayer[facet]! < UNREACHED) return 2;
    // Without any producer a person can still provide it, if the contract says its name.
    return written.has(facet) || world.question.snapshot.facets.has(name) ? 1 : 0;
  };
  const known = new Set([...written].map((facet) => index.facetNames[facet]!));
  for (const name of world.available) if (index.facetIds.has(name)) known.add(name);
  // What nothing writes is considered too: the contract may ask for it by name, and a person may have to give it.
  if (world.question.snapshot.facets.size <= 2000)
    for (const [name, facet] of world.question.snapshot.facets) if (facet.direction !== 'input') known.add(name);
  return { snapshot: world.question.snapshot, supply, known: [...known] };
}

/** Without a contract of facets: what the capability writes that fits the task best. */
function freeform(world: PlanningWorld): ResolvedContract {
  let best: { score: number; outputs: readonly string[] } | undefined;
  world.reach.capabilityLayer.forEach((layer, number) => {
    if (layer >= UNREACHED) return;
    const capability = world.capability(number);
    if (capability.kind !== 'execution' || capability.outputFacets.length === 0) return;
    const { score } = world.score(number);
    if (best === undefined || score > best.score) best = { score, outputs: capability.outputFacets };
  });
  if (best !== undefined) return { goals: best.outputs, parts: [], diagnostics: [] };
  return {
    goals: [],
    parts: [],
    diagnostics: [
      {
        code: 'OUTPUT_CONTRACT_UNSATISFIABLE',
        severity: 'error',
        message:
          world.index.capabilities.length === 0
            ? 'No capability is registered that could do the task'
            : 'No registered capability of kind execution can start from what the envelope gives',
        pointer: '/outputContract',
        suggestion: 'Register a capability of kind execution whose inputs the envelope provides',
      },
    ],
  };
}

/**
 * The objective as a facet: a facet tagged `objective` that the envelope doesn't give is filled from its objective, when its
 * schema takes that as it is or under the one member that it requires.
 */
export function objectiveLiterals(
  objective: string,
  available: ReadonlySet<string>,
  snapshot: RegistrySnapshot,
): Map<string, Json> {
  const literals = new Map<string, Json>();
  for (const facet of objectiveFacets(snapshot)) {
    if (available.has(facet)) continue;
    const compiled = compileFacets(snapshot.facets, [{ facet, required: true }], 'bidirectional');
    const key = propertyKeyOf(snapshot.facets.get(facet)!);
    const forms: Json[] = [objective, { objective }, { summary: objective }, { goal: objective }];
    const fitting = forms.find((form) => validateFacets(compiled, { [key]: form }).length === 0);
    if (fitting !== undefined) literals.set(facet, fitting);
  }
  return literals;
}

const tagged = new WeakMap<RegistrySnapshot, readonly string[]>();

function objectiveFacets(snapshot: RegistrySnapshot): readonly string[] {
  let names = tagged.get(snapshot);
  if (names === undefined) {
    names = [...snapshot.facets.values()]
      .filter((facet) => facet.tags?.includes('objective') === true)
      .map(({ name }) => name);
    tagged.set(snapshot, names);
  }
  return names;
}
