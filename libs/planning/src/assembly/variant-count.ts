import type { Mapping, PlannerDiagnostic, RegistrySnapshot } from '@flex/contracts';
import { pointerStep } from '../facets/json-pointer.js';
import { shapeOfFacet } from '../relevance/resolve-contract.js';
import type { CoreSteps } from './core-steps.js';

const MEMBER = 'variantCount';
const counting = new WeakMap<RegistrySnapshot, readonly string[]>();

/** Facets that say how many variants are to be made: those with a member `variantCount`. */
function countingFacets(snapshot: RegistrySnapshot): readonly string[] {
  let names = counting.get(snapshot);
  if (names === undefined) {
    names = [...snapshot.facets.keys()].filter((name) => {
      const { schema } = snapshot.facets.get(name)!;
      const properties = typeof schema === 'object' ? (schema.properties as object | undefined) : undefined;
      return properties !== undefined && Object.hasOwn(properties, MEMBER);
    });
    counting.set(snapshot, names);
  }
  return names;
}

/**
 * Enforces the number of variants: whoever reads the facet that holds it reads it from a transformation that sets it, whatever a
 * model or an input says.
 */
export function enforceVariantCount(steps: CoreSteps, snapshot: RegistrySnapshot, count: number): PlannerDiagnostic[] {
  const { graph } = steps;
  let enforced = false;
  for (const facet of countingFacets(snapshot)) {
    const groups = new Map<string, Set<string>>();
    for (const step of graph.drafted) {
      const from = step.reads.get(facet);
      if (from !== undefined && step.kind !== 'fallback') groups.set([...from].sort().join(' '), from);
    }
    for (const [at, from] of [...groups.values()].entries()) {
      // In a plan under way the number may have been set already.
      if (from.size > 0 && [...from].every((source) => graph.get(source).kind === 'transformation')) {
        enforced = true;
        continue;
      }
      const id = at === 0 ? `set:${facet}` : `set:${facet}:${at + 1}`;
      const readers = new Set(
        graph.drafted.filter((step) => sameSet(step.reads.get(facet), from)).map((step) => step.id),
      );
      const setting = graph.add({
        id,
        kind: 'transformation',
        label: `Set the number of variants to ${count}`,
        reads: new Map([[facet, new Set(from)]]),
        writes: [facet],
        mapping: { [facet]: withCount(facet, snapshot, count) },
        rationale: [`The policy topology.variantCount asks for ${count} variants; this holds whatever ${facet} says`],
      });
      for (const reader of readers) graph.get(reader).reads.set(facet, new Set([setting.id]));
      enforced = true;
    }
  }
  if (enforced) return [];
  return [
    {
      code: 'POLICY_CONFLICT',
      severity: 'warning',
      message: `variantCount ${count} has no effect: nothing in the plan reads a facet with a member ${MEMBER}`,
      pointer: '/policies/planner/topology/variantCount',
      suggestion: `Let the capability read a facet with a member ${MEMBER}`,
    },
  ];
}

function sameSet(one: ReadonlySet<string> | undefined, other: ReadonlySet<string>): boolean {
  return one !== undefined && one.size === other.size && [...one].every((id) => other.has(id));
}

/** The facet member by member, but with this count. */
function withCount(facet: string, snapshot: RegistrySnapshot, count: number): Mapping {
  const object: Record<string, Mapping> = {};
  for (const name of shapeOfFacet(facet, snapshot)!.properties.keys())
    object[name] = name === MEMBER ? { value: count } : { from: pointerStep(facet) + pointerStep(name) };
  return { object };
}
