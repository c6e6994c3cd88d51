import type { NodeKind, PlannerDiagnostic } from '@flex/contracts';
import { chooseCore, type Core, type CoreQuestion } from './choose-core.js';
import { UNREACHED } from './forward-reachability.js';
import { crossedLimit } from './limits.js';
import type { PlanningWorld } from './planning-world.js';

/** Kinds that only a capability can bring: checks are added where they fit, the rest comes with branches, form and fallbacks. */
const CHOSEN_KINDS: readonly NodeKind[] = ['structuring', 'execution', 'routing'];

/** The core of the plan with what policies require: capabilities by name, kinds, and limits of tokens and price. */
export function chooseRequired(
  world: PlanningWorld,
  ask: Omit<CoreQuestion, 'forced' | 'save'>,
  diagnostics: PlannerDiagnostic[],
): Core {
  const { policies } = world.question;
  const forced = requiredByName(world, diagnostics);
  const core = withKinds(world, { ...ask, forced }, diagnostics);
  const save = crossedLimit(core.answer.chosen.map((capability) => world.capability(capability)), policies); // prettier-ignore
  return save === undefined ? core : withKinds(world, { ...ask, forced, save }, []);
}

function requiredByName(world: PlanningWorld, diagnostics: PlannerDiagnostic[]): number[] {
  const forced: number[] = [];
  for (const id of world.question.policies.planner.selection.require) {
    const capability = world.numberOf(id);
    if (capability === undefined || world.allowed[capability] === 0) continue;
    if (world.reach.capabilityLayer[capability]! < UNREACHED) {
      forced.push(capability);
      continue;
    }
    const lacking = world
      .capability(capability)
      .inputFacets.map((input) => input.facet)
      .filter((facet) => world.layerOfFacet(facet) >= UNREACHED);
    diagnostics.push({
      code: 'POLICY_REQUIRED_MISSING',
      severity: 'error',
      message: `The policy requires ${id}, whose inputs nothing provides`,
      capabilityId: id,
      pointer: '/policies/planner/selection/require',
      suggestion: `Give ${lacking.join(', ')} as input`,
    });
  }
  return forced;
}

function withKinds(world: PlanningWorld, question: CoreQuestion, diagnostics: PlannerDiagnostic[]): Core {
  const forced = [...question.forced];
  let core = chooseCore(world, question);
  for (const kind of world.question.policies.planner.topology.requiredKinds ?? []) {
    if (!CHOSEN_KINDS.includes(kind)) continue;
    if (core.answer.chosen.some((capability) => world.capability(capability).kind === kind)) continue;
    const extra = bestOfKind(world, kind);
    if (extra === undefined) {
      diagnostics.push(kindMissing(kind));
      continue;
    }
    forced.push(extra);
    core = chooseCore(world, { ...question, forced });
  }
  return core;
}

function bestOfKind(world: PlanningWorld, kind: NodeKind): number | undefined {
  let best: number | undefined;
  world.reach.capabilityLayer.forEach((layer, capability) => {
    if (layer >= UNREACHED || world.capability(capability).kind !== kind) return;
    if (best === undefined || world.score(capability).score > world.score(best).score) best = capability;
  });
  return best;
}

export const kindMissing = (kind: NodeKind): PlannerDiagnostic => ({
  code: 'KIND_REQUIRED_MISSING',
  severity: 'error',
  message: `The policy requires a ${kind} node, and nothing of that kind can be part of this plan`,
  pointer: '/policies/planner/topology/requiredKinds',
  suggestion: `Register a capability of kind ${kind} whose inputs the plan has`,
});
