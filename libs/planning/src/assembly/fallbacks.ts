import type { NormalizedPolicies, PlannerDiagnostic } from '@flex/contracts';
import { matchingHooks } from '../policies/matching-hooks.js';
import type { StepGraph, Step } from './step-graph.js';

const absent = (facets: readonly string[]) => {
  const parts = facets.map((facet) => ({ '!': [{ exists: `facets.${facet}` }] }));
  return parts.length === 1 ? parts[0]! : { or: parts };
};

/**
 * Behind each step that makes a goal, a person who takes over when it and its runners-up have failed. It reads what the step read,
 * so the person has its context, and runs only when the facets are missing.
 */
export function addGuards(
  graph: StepGraph,
  goalProviders: Map<string, readonly string[]>,
  mayAdd: () => boolean,
): void {
  for (const step of graph.drafted) {
    if (step.capability === undefined || step.kind === 'validation' || step.derived !== undefined) continue;
    const facets = [...goalProviders].filter(([, ids]) => ids.includes(step.id)).map(([goal]) => goal);
    if (facets.length === 0) continue;
    const guard = replaceBehind(graph, step, facets, goalProviders, {
      rationale: [`Takes over when ${step.capability.displayName} fails and nothing registered can take its place`],
      label: `Fallback: a person provides ${facets.join(', ')}`,
      condition: absent(facets),
    });
    if (!mayAdd()) {
      graph.remove(guard.id);
      for (const [goal, ids] of goalProviders)
        goalProviders.set(
          goal,
          ids.filter((id) => id !== guard.id),
        );
    }
  }
}

/**
 * Behind a step whose capability is below the threshold a person confirms or corrects its work, unless a policy asks a person
 * there anyway: then the fallback only stands by.
 */
export function addConfirmations(
  graph: StepGraph,
  policies: NormalizedPolicies,
  threshold: number,
  goalProviders: Map<string, readonly string[]>,
): PlannerDiagnostic[] {
  const found: PlannerDiagnostic[] = [];
  for (const step of graph.drafted) {
    // Where only a part is covered, the person who does the rest is there already.
    if (step.derived === undefined || step.derived.coverage < 1 || step.capability === undefined) continue;
    const read = new Set(graph.readersOf(step.id).flatMap((reader) => [...reader.reads].filter(([, from]) => from.has(step.id)).map(([facet]) => facet))); // prettier-ignore
    for (const [goal, ids] of goalProviders) if (ids.includes(step.id)) read.add(goal);
    const facets = step.writes.filter((facet) => read.has(facet));
    const confirmed = facets.length > 0 ? facets : step.writes;
    const { capabilityId, displayName } = step.capability;
    const reason = `No capability for ${confirmed.join(', ')} reaches the threshold of ${threshold}; ${displayName} comes closest with ${step.selection?.score ?? 0}`;
    const asked = policies.runtime.some(
      (policy) =>
        policy.enabled &&
        policy.action.type === 'hitl' &&
        matchingHooks(
          { id: step.id, kind: step.kind, capabilityId: undefined, derivedFrom: capabilityId, outputs: step.writes },
          policies,
        ).includes(policy.id),
    );
    const forbidden = policies.planner.topology.forbiddenKinds?.includes('fallback') === true;
    if (!forbidden)
      replaceBehind(graph, step, confirmed, goalProviders, {
        rationale: [reason],
        label: asked
          ? `Fallback: a person provides ${confirmed.join(', ')}`
          : `A person confirms ${confirmed.join(', ')}`,
        condition: asked ? absent(confirmed) : true,
      });
    found.push({
      code: 'BELOW_THRESHOLD',
      severity: 'warning',
      message: reason,
      nodeId: step.id,
      capabilityId,
      facet: confirmed[0],
      suggestion: `Register a capability made for this, or name ${capabilityId} in selection.prefer`,
    });
  }
  return found;
}

/** Puts a person behind a step: whoever reads these facets from the step reads them from the person too, who comes later. */
function replaceBehind(
  graph: StepGraph,
  step: Step,
  facets: readonly string[],
  goalProviders: Map<string, readonly string[]>,
  about: { rationale: string[]; label: string; condition: unknown },
): Step {
  const readers = graph.readersOf(step.id);
  const branch = step.branchId === undefined ? '' : `@${step.branchId}`;
  // Where a facet is made and then refined, a person may stand behind either step.
  const id = `fallback:${[...facets].sort().join('.')}${branch}`;
  const fallback = graph.add({
    id: graph.steps.has(graph.freeId(id)) ? `${id}:${step.id}` : id,
    kind: 'fallback',
    label: about.label.slice(0, 300),
    writes: [...facets],
    reads: new Map([...step.reads].map(([facet, from]) => [facet, new Set(from)])),
    after: new Set([step.id]),
    conditions: new Map([[step.id, about.condition as never]]),
    rationale: about.rationale,
    instruction: `Provide ${facets.join(', ')}. ${step.instruction ?? ''}`.trim(),
    ...(step.branchId === undefined ? {} : { branchId: step.branchId }),
    ...(step.inputs === undefined ? {} : { inputs: step.inputs }),
  });
  if (about.condition === true) for (const facet of facets) fallback.reads.set(facet, new Set([step.id]));
  for (const reader of readers)
    for (const [facet, from] of reader.reads) if (from.has(step.id) && facets.includes(facet)) from.add(fallback.id);
  for (const [goal, ids] of goalProviders)
    if (ids.includes(step.id) && facets.includes(goal)) goalProviders.set(goal, [...ids, fallback.id]);
  return fallback;
}
