import { isWeak } from './choose-core.js';
import { rowOf } from './compose.js';
import { crossedLimit } from './limits.js';
import type { CoreSteps } from './core-steps.js';
import type { PlanningWorld } from './planning-world.js';

/**
 * Checks that nobody asked for by name: of the capabilities of kind `validation` that read a goal facet which the plan makes, have
 * all they need and are good enough, the best for each such facet. People aren't asked to check unless a policy wants it.
 */
export function addValidators(world: PlanningWorld, steps: CoreSteps, goals: readonly number[], layer: number): void {
  if (world.question.policies.planner.topology.forbiddenKinds?.includes('validation') === true) return;
  const { graph } = steps;
  const made = new Set(
    goals.filter((goal) =>
      steps.providers(goal, layer).some((id) => ['execution', 'fallback'].includes(graph.get(id).kind)),
    ),
  );
  for (const step of graph.drafted)
    if (step.kind === 'validation')
      for (const goal of made) if (step.reads.has(world.index.facetNames[goal]!)) made.delete(goal);
  const candidates: number[] = [];
  for (let capability = 0; capability < world.allowed.length && made.size > 0; capability += 1) {
    if (world.allowed[capability] === 0) continue;
    const { kind, agentType, capabilityId } = world.capability(capability);
    if (
      kind !== 'validation' ||
      agentType !== 'ai' ||
      graph.steps.has(graph.freeId(capabilityId)) ||
      isWeak(world, capability)
    )
      continue;
    const needs = [...rowOf(world.index.requiredInputs, capability)];
    if (!needs.some((need) => made.has(need))) continue;
    if (needs.every((need) => world.reach.facetLayer[need] === 0 || steps.providers(need, layer).length > 0))
      candidates.push(capability);
  }
  candidates.sort((a, b) => world.score(b).score - world.score(a).score || a - b);
  for (const capability of candidates) {
    // A check is worth having, but not at the price of a limit, unless a policy wants one.
    const { requiredKinds } = world.question.policies.planner.topology;
    const planned = [...graph.drafted.flatMap((step) => step.capability ?? []), world.capability(capability)];
    if (requiredKinds?.includes('validation') !== true && crossedLimit(planned, world.question.policies) !== undefined)
      continue;
    const checks = [...rowOf(world.index.requiredInputs, capability)].filter((need) => made.has(need));
    if (checks.length === 0) continue;
    const step = steps.addCapability(capability, layer);
    steps.connect(step);
    const names = checks.map((facet) => world.index.facetNames[facet]!);
    step.rationale.push(`Checks ${names.join(', ')}, which the answer is made of`);
    for (const facet of checks) made.delete(facet);
  }
}
