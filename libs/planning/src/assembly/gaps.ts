import type { PlannerDiagnostic } from '@flex/contracts';
import type { Core } from './choose-core.js';
import { rowOf } from './compose.js';
import type { CoreSteps } from './core-steps.js';
import { UNREACHED } from './forward-reachability.js';
import type { PlanningWorld } from './planning-world.js';

/** What could provide a facet, were it not for …; the most helpful first. */
export function whyMissing(world: PlanningWorld, facet: number): string[] {
  const name = world.index.facetNames[facet]!;
  const reasons: string[] = [];
  const { forbid } = world.question.policies.planner.selection;
  for (let number = 0; number < world.allowed.length && reasons.length < 5; number += 1) {
    const capability = world.capability(number);
    if (!capability.outputFacets.some((output) => world.lineage(world.index.facetIds.get(output)!).includes(facet)))
      continue;
    const { capabilityId } = capability;
    if (capability.status !== 'active') reasons.push(`${capabilityId} would provide it, but is out of service`);
    else if (forbid.includes(capabilityId)) reasons.push(`${capabilityId} would provide it, but the policy forbids it`);
    else if (world.allowed[number] === 0) reasons.push(`${capabilityId} would provide it, but may not be used here`);
    else {
      const lacks = [...rowOf(world.index.requiredInputs, number)].filter(
        (need) => world.reach.facetLayer[need]! >= UNREACHED,
      );
      const names = lacks.map((need) => world.index.facetNames[need]!);
      if (names.some((lacking) => lacking === name))
        reasons.push(`${capabilityId} would provide it, but needs it itself`);
      else if (names.length > 0)
        reasons.push(`${capabilityId} would provide it, if it had ${names.slice(0, 4).join(', ')}`);
    }
  }
  return [`Nothing that may be used can provide ${name}`, ...reasons];
}

export function gapDiagnostics(world: PlanningWorld, facet: number, mayFallBack: boolean): PlannerDiagnostic[] {
  const name = world.index.facetNames[facet]!;
  const [message, ...reasons] = whyMissing(world, facet);
  const found: PlannerDiagnostic[] = [
    {
      code: 'OUTPUT_FACET_UNCOVERED',
      severity: mayFallBack ? 'warning' : 'error',
      message: `${message!}${mayFallBack ? '; a person is asked for it' : ''}`,
      facet: name,
      ...(mayFallBack ? { nodeId: `fallback:${name}` } : {}),
      suggestion:
        reasons.length > 0
          ? reasons.join('; ')
          : `Register a capability that writes ${name}, or give ${name} as an input`,
    },
  ];
  for (let number = 0; number < world.allowed.length; number += 1) {
    const capability = world.capability(number);
    if (world.allowed[number] === 0 || !world.gives(number, facet)) continue;
    // Also a need of the general facet where it writes the special one.
    const own = rowOf(world.index.requiredInputs, number).find(
      (need) => world.reach.facetLayer[need]! >= UNREACHED && world.gives(number, need),
    );
    if (own === undefined) continue;
    const needed = world.index.facetNames[own]!;
    found.push({
      code: 'CAPABILITY_SELF_DEPENDENT',
      severity: 'warning',
      message: `${capability.capabilityId} needs ${needed}, which it would have to write itself`,
      capabilityId: capability.capabilityId,
      facet: needed,
      ...(mayFallBack ? { nodeId: `fallback:${name}` } : {}),
      suggestion: `Make the input ${needed} optional, or register another capability that writes it`,
    });
  }
  return found;
}

/**
 * For what nothing makes: a capability that comes near, as a derived node whose work the person starts from. It writes a facet that
 * the missing one specialises, or a sibling of it.
 */
export function relatedTo(world: PlanningWorld, steps: CoreSteps, core: Core): void {
  for (const gap of core.gaps) {
    const name = world.index.facetNames[gap]!;
    const person = steps.graph.steps.get(steps.graph.freeId(`fallback:${name}`));
    if (person === undefined) continue;
    const general = new Set(world.lineage(gap).slice(1));
    if (general.size === 0) continue;
    let best: { capability: number; facet: number } | undefined;
    for (let capability = 0; capability < world.allowed.length; capability += 1) {
      if (world.reach.capabilityLayer[capability]! >= UNREACHED || world.capability(capability).kind === 'validation')
        continue;
      const facet = [...rowOf(world.index.outputs, capability)].find((output) => world.lineage(output).some((one) => general.has(one))); // prettier-ignore
      if (facet === undefined) continue;
      if (best === undefined || world.score(capability).score > world.score(best.capability).score)
        best = { capability, facet };
    }
    if (best === undefined) continue;
    const near = world.capability(best.capability);
    const written = world.index.facetNames[best.facet]!;
    const known = steps.graph.steps.get(steps.graph.freeId(near.capabilityId));
    // Its inputs have to be there already: nothing more is planned for a makeshift.
    if (known === undefined && !canRun(world, steps, best.capability)) continue;
    const step = known ?? steps.addCapability(best.capability, core.answer.depth + 1);
    if (known === undefined) {
      steps.connect(step);
      // What the person gives can't come before what the person starts from.
      const later = steps.graph.descendants(person.id).add(person.id);
      const required = new Set(
        near.inputFacets.filter((input) => input.required !== false).map((input) => input.facet),
      );
      for (const [facet, from] of step.reads)
        if (!required.has(facet) && [...from].some((id) => later.has(id))) step.reads.delete(facet);
      step.derived = { coverage: 0.5 };
      step.writes = [written];
      step.rationale.push(
        `${near.displayName} makes ${written}, which comes near ${name}; it covers half of what is wanted`,
      );
    }
    if (steps.graph.descendants(person.id).has(step.id)) {
      if (known === undefined) steps.graph.remove(step.id);
      continue;
    }
    person.reads.set(written, new Set([step.id]));
    person.rationale.push(`Starts from ${written} of ${near.displayName}`);
  }
}

function canRun(world: PlanningWorld, steps: CoreSteps, capability: number): boolean {
  return rowOf(world.index.requiredInputs, capability).every(
    (need) => world.reach.facetLayer[need] === 0 || steps.providers(need, Infinity).length > 0,
  );
}
