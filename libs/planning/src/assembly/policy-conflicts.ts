import type { NormalizedPolicies, PlannerDiagnostic, RegistrySnapshot } from '@flex/contracts';
import { nameLikeness } from '../relevance/name-likeness.js';
import { shapeOf, type Shape } from '../relevance/schema-shape.js';
import type { PlannedEnvelope } from './planning-world.js';

/** Policies that contradict each other, the output contract or the registry: found before anything is planned. */
export function policyConflicts(
  { planner }: NormalizedPolicies,
  envelope: PlannedEnvelope,
  snapshot: RegistrySnapshot,
): PlannerDiagnostic[] {
  const found: PlannerDiagnostic[] = [];
  const { topology, selection, branches } = planner;
  const conflict = (
    message: string,
    pointer: string,
    suggestion: string,
    more: Partial<PlannerDiagnostic> = {},
  ): void => {
    found.push({
      code: 'POLICY_CONFLICT',
      severity: 'error',
      message,
      pointer: `/policies/planner${pointer}`,
      suggestion,
      ...more,
    });
  };

  selection.require.forEach((capabilityId, at) => {
    const pointer = `/selection/require/${at}`;
    const registered = snapshot.capabilities.get(capabilityId);
    if (selection.forbid.includes(capabilityId))
      return conflict(
        `${capabilityId} is both required and forbidden`,
        pointer,
        'Take it out of require or of forbid',
        { capabilityId },
      );
    if (registered !== undefined && topology.forbiddenKinds?.includes(registered.kind) === true)
      return conflict(
        `${capabilityId} is required, but ${registered.kind} nodes are forbidden`,
        pointer,
        `Allow ${registered.kind} nodes`,
        { capabilityId },
      );
    if (registered?.status === 'active') return undefined;
    const near = [...snapshot.capabilities.keys()].filter((id) => nameLikeness(id, capabilityId) >= 0.5).slice(0, 3);
    found.push({
      code: 'POLICY_REQUIRED_MISSING',
      severity: 'error',
      message: `The policy requires ${capabilityId}, which is ${registered === undefined ? 'not registered' : 'out of service'}`,
      capabilityId,
      pointer: `/policies/planner${pointer}`,
      suggestion:
        near.length > 0 ? `Did you mean ${near.join(' or ')}?` : `Register ${capabilityId}, or don't require it`,
    });
    return undefined;
  });
  for (const [at, capabilityId] of selection.prefer.entries())
    if (selection.forbid.includes(capabilityId) || selection.avoid.includes(capabilityId))
      found.push({
        code: 'POLICY_CONFLICT',
        severity: 'warning',
        message: `${capabilityId} is preferred, and forbidden or avoided as well`,
        capabilityId,
        pointer: `/policies/planner/selection/prefer/${at}`,
        suggestion: 'Name it once',
      });
  for (const [at, kind] of (topology.requiredKinds ?? []).entries())
    if (topology.forbiddenKinds?.includes(kind) === true)
      conflict(
        `${kind} nodes are both required and forbidden`,
        `/topology/requiredKinds/${at}`,
        'Take the kind out of one of the two',
      );
  branches.forEach((branch, at) => {
    if (branches.findIndex((other) => other.id === branch.id) < at)
      conflict(`Two branches have the id ${branch.id}`, `/branches/${at}/id`, 'Give every branch an id of its own');
  });
  const { variantCount } = topology;
  if (variantCount !== undefined && envelope.outputContract.mode === 'json_schema')
    for (const { name, least, most } of countedLists(shapeOf(envelope.outputContract.schema))) {
      const total = variantCount * Math.max(1, branches.length);
      if (total > most || total < least)
        conflict(
          `${total === variantCount ? '' : `${branches.length} branches of `}${variantCount} variants don't fit ${name}, which holds ${least === most ? `exactly ${least}` : `${least} to ${most}`} items`,
          '/topology/variantCount',
          `Set variantCount to fit, or change minItems and maxItems of ${name}`,
        );
    }
  return found;
}

/** Lists of objects in the output, with how many items they may hold; one list only, else none is meant for sure. */
function countedLists(shape: Shape): { name: string; least: number; most: number }[] {
  const lists = [...shape.properties].filter(([, property]) => property.items?.types.has('object') === true);
  if (lists.length !== 1) return [];
  return lists.map(([name, { minItems, maxItems }]) => ({ name, least: minItems ?? 0, most: maxItems ?? Infinity }));
}
