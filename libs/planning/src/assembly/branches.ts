import type { Branch, NodeKind, PlannerDiagnostic } from '@flex/contracts';
import { satisfies } from '../facets/extends-chain.js';
import type { Alternatives } from './alternatives.js';
import { isWeak } from './choose-core.js';
import type { CoreSteps } from './core-steps.js';
import type { PlanningWorld } from './planning-world.js';
import type { Step } from './step-graph.js';

/**
 * Gives every branch its own writer and checks: the steps that make a goal, what depends on them, and what reads an input of a
 * branch, once per branch; everything else is shared. A branch starts at a node of kind `branch` that brings its inputs.
 */
export function expandBranches(
  world: PlanningWorld,
  steps: CoreSteps,
  branches: readonly Branch[],
  goalProviders: ReadonlyMap<string, readonly string[]>,
  alternatives: Alternatives,
): { goalProviders: Map<string, readonly string[]>; diagnostics: PlannerDiagnostic[] } {
  const { graph } = steps;
  const own = stepsOfBranches(world, steps, branches, goalProviders);
  const originals = [...own].map((id) => graph.get(id));
  const withNodes =
    world.question.policies.planner.topology.forbiddenKinds?.includes('branch' satisfies NodeKind) !== true;
  const usedBefore = new Map<string, number>();
  const providers = new Map<string, string[]>(
    [...goalProviders].map(([goal, ids]) => [goal, ids.filter((id) => !own.has(id))]),
  );
  branches.forEach((branch) => {
    const given = Object.keys(branch.inputs ?? {}).filter((name) => world.index.facetIds.has(name));
    const start = withNodes ? addBranchNode(steps, branch, given) : undefined;
    const idIn = new Map<string, string>();
    const clones = originals.map((original) => {
      const clone = cloneFor(world, steps, original, branch, usedBefore, goalProviders, alternatives);
      idIn.set(original.id, clone.id);
      return clone;
    });
    for (const clone of clones) {
      for (const [facet, from] of clone.reads) {
        const ofBranch = [...from].filter((id) => [undefined, branch.id].includes(graph.get(id).branchId));
        const renamed = new Set((ofBranch.length > 0 ? ofBranch : [...from]).map((id) => idIn.get(id) ?? id));
        const fromBranch =
          start !== undefined && given.some((name) => satisfies(name, facet, world.question.snapshot.facets));
        clone.reads.set(facet, fromBranch ? new Set([start.id]) : renamed);
      }
      clone.after = new Set([...clone.after].map((id) => idIn.get(id) ?? id));
      // The first steps of a branch wait for its start, also when they read nothing from it.
      const inside = [...clone.reads.values()].some((from) =>
        [...from].some((id) => clones.some((other) => other.id === id)),
      );
      if (start !== undefined && !inside) clone.after.add(start.id);
      graph.add(clone);
    }
    for (const [goal, ids] of goalProviders)
      providers.get(goal)!.push(...ids.filter((id) => own.has(id)).map((id) => idIn.get(id)!));
  });
  for (const id of own) graph.remove(id);
  return { goalProviders: providers, diagnostics: [] };
}

function addBranchNode(steps: CoreSteps, branch: Branch, given: readonly string[]): Step {
  const there = steps.graph.steps.get(`branch:${branch.id}`);
  if (there?.standing === true) return there;
  return steps.graph.add({
    id: `branch:${branch.id}`,
    kind: 'branch',
    label: branch.label,
    branchId: branch.id,
    writes: [...given],
    ...(given.length > 0 ? { inputs: Object.fromEntries(given.map((name) => [name, branch.inputs![name]!])) } : {}),
    rationale: [branch.rationale ?? `Branch "${branch.label}" of the policies`],
  });
}

function stepsOfBranches(
  world: PlanningWorld,
  { graph }: CoreSteps,
  branches: readonly Branch[],
  goalProviders: ReadonlyMap<string, readonly string[]>,
): Set<string> {
  const { facets } = world.question.snapshot;
  const inputs = new Set(
    branches.flatMap((branch) => Object.keys(branch.inputs ?? {})).filter((name) => facets.has(name)),
  );
  const reads = (step: Step, input: string): boolean =>
    [...step.reads.keys()].some((read) => satisfies(input, read, facets));
  const drafted = graph.drafted.filter((step) => step.capability !== undefined || step.kind === 'fallback');
  const own = new Set<string>();
  const spread = (): void => {
    for (let grew = true; grew;) {
      grew = false;
      for (const step of drafted) {
        if (own.has(step.id)) continue;
        if (![...graph.before(step)].some((id) => own.has(id))) continue;
        own.add(step.id);
        grew = true;
      }
    }
  };
  const makers = [...goalProviders.values()].flat().filter((id) => drafted.some((step) => step.id === id));
  const writers = makers.filter((id) => graph.get(id).kind === 'execution');
  // What checks a goal is a goal maker too when its findings are part of the answer; it follows its writer.
  for (const id of writers.length > 0 ? writers : makers) own.add(id);
  // In a plan under way the writers may be done; what is made from their work belongs to their branches.
  for (const step of drafted)
    if ([...graph.before(step)].some((id) => graph.steps.get(id)?.standing === true && graph.get(id).branchId !== undefined)) own.add(step.id); // prettier-ignore
  for (const step of drafted)
    if (step.kind !== 'structuring' && [...inputs].some((input) => reads(step, input))) own.add(step.id);
  spread();
  for (const input of inputs) {
    if ([...own].some((id) => reads(graph.get(id), input))) continue;
    // Nothing in the branches reads it, so whoever does has to be in each of them, or the input would do nothing.
    for (const step of drafted) if (reads(step, input)) own.add(step.id);
  }
  spread();
  return own;
}

function cloneFor(
  world: PlanningWorld,
  steps: CoreSteps,
  original: Step,
  branch: Branch,
  usedBefore: Map<string, number>,
  goalProviders: ReadonlyMap<string, readonly string[]>,
  alternatives: Alternatives,
): Step {
  let { capability, label } = original;
  const rationale = [...original.rationale, branch.rationale ?? `For the branch "${branch.label}"`];
  const goals = [...goalProviders].filter(([, ids]) => ids.includes(original.id)).map(([goal]) => goal);
  if (
    world.question.policies.planner.optimisation.objective === 'diversity' &&
    capability !== undefined &&
    goals.length > 0
  ) {
    // What works elsewhere in the plan already would be there twice under one id.
    const busy = new Set([...steps.graph.steps.values()].map((step) => step.capability?.capabilityId));
    const others = alternatives
      .of(original, goals)
      .filter((other) => !isWeak(world, other))
      .map((other) => world.capability(other))
      .filter(({ capabilityId }) => !busy.has(capabilityId) || usedBefore.has(`${original.id} ${capabilityId}`));
    for (const { capabilityId } of others) usedBefore.set(`${original.id} ${capabilityId}`, 1);
    const pool = [capability, ...others];
    const turn = usedBefore.get(original.id) ?? 0;
    usedBefore.set(original.id, turn + 1);
    const chosen = pool[turn % pool.length]!;
    if (chosen !== capability) rationale.push(`Another capability than in the branch before, for diversity`);
    if (chosen !== capability) label = chosen.displayName;
    capability = chosen;
  }
  const free = Object.entries(branch.inputs ?? {}).filter(([name]) => !world.index.facetIds.has(name));
  const told = [
    ...(original.instruction === undefined ? [] : [original.instruction]),
    ...(free.length > 0
      ? [`This branch's own: ${free.map(([name, value]) => `${name}: ${JSON.stringify(value)}`).join('; ')}`]
      : []),
  ];
  const stem = capability === original.capability ? original.id : (capability?.capabilityId ?? original.id);
  return {
    ...original,
    id: steps.graph.freeId(`${stem}@${branch.id}`),
    label: `${label} (${branch.label})`.slice(0, 300),
    capability,
    reads:
      capability === original.capability
        ? new Map([...original.reads].map(([facet, from]) => [facet, new Set(from)]))
        : steps.readsInPlaceOf(original, capability!),
    writes:
      capability === original.capability
        ? [...original.writes]
        : original.writes.filter((facet) => capability!.outputFacets.includes(facet)),
    after: new Set(original.after),
    conditions: new Map(),
    rationale,
    branchId: branch.id,
    ...(told.length > 0 ? { instruction: told.join('\n') } : {}),
    ...(branch.inputs === undefined ? {} : { inputs: { ...original.inputs, ...branch.inputs } }),
  };
}
