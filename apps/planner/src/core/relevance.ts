import type {
  EventData,
  Facet,
  PlanDelta,
  PlannerDraft,
  RegisteredCapability,
  RegistrySnapshot,
} from '@flex/contracts';

type PlanRequest = EventData<'plan.requested'>;

/**
 * The capabilities that a planner should know of, most relevant first: those of the deterministic draft, those that policies
 * or diagnostics speak of, producers of wanted facets, then those whose words the objective uses. Inactive and forbidden
 * ones are left out: a draft with them would be refused anyway.
 */
export function rankCapabilities(
  request: PlanRequest,
  snapshot: RegistrySnapshot,
  proposed: { draft?: PlannerDraft; delta?: PlanDelta } | undefined,
  wanted: ReadonlySet<string>,
): RegisteredCapability[] {
  const { require, forbid, prefer } = request.policies.planner.selection;
  const excluded = new Set([...forbid, ...(request.replan?.exclude ?? [])]);
  const inDraft = new Set(capabilitiesOf(proposed));
  const named = new Set([...require, ...prefer, ...request.diagnostics.flatMap((found) => found.capabilityId ?? [])]);
  const words = wordsOf([request.objective, ...(request.specialInstructions ?? [])].join(' '));

  const score = (capability: RegisteredCapability): number => {
    const { capabilityId } = capability;
    let total = 0;
    if (inDraft.has(capabilityId)) total += 1000;
    if (named.has(capabilityId)) total += 500;
    total += 50 * capability.outputFacets.filter((facet) => wanted.has(facet)).length;
    const traits = capability.traits ?? {};
    const described = [
      capability.displayName,
      capability.summary ?? '',
      ...Object.values(traits).flat(),
      ...capability.outputFacets,
    ].join(' ');
    for (const word of wordsOf(described)) if (words.has(word)) total += 1;
    return total;
  };
  return [...snapshot.capabilities.values()]
    .filter((capability) => capability.status === 'active' && !excluded.has(capability.capabilityId))
    .map((capability) => ({ capability, score: score(capability) }))
    .toSorted((a, b) => b.score - a.score || compare(a.capability.capabilityId, b.capability.capabilityId))
    .map(({ capability }) => capability);
}

/** The facets that the answer is made of, as far as the contract names them. */
export function wantedFacets(request: PlanRequest, proposed: { draft?: PlannerDraft } | undefined): Set<string> {
  const { outputContract } = request;
  const wanted = new Set(outputContract.mode === 'facets' ? outputContract.facets : []);
  const schema = outputContract.mode === 'json_schema' ? outputContract.schema : undefined;
  if (schema && typeof schema === 'object') {
    for (const property of Object.keys((schema['properties'] as object | undefined) ?? {})) wanted.add(property);
  }
  for (const condition of request.goalConditions ?? []) wanted.add(condition.facet);
  for (const node of proposed?.draft?.nodes ?? []) for (const facet of node.outputFacets) wanted.add(facet);
  return wanted;
}

/** The facets that those capabilities and the request speak of, in the order in which they are first named. */
export function facetsOf(
  capabilities: readonly RegisteredCapability[],
  request: PlanRequest,
  snapshot: RegistrySnapshot,
): Facet[] {
  const names = new Set<string>([
    ...Object.keys(request.inputs ?? {}),
    ...(request.outputContract.mode === 'facets' ? request.outputContract.facets : []),
    ...(request.goalConditions ?? []).map(({ facet }) => facet),
  ]);
  for (const { inputFacets, outputFacets } of capabilities) {
    for (const { facet } of inputFacets) names.add(facet);
    for (const facet of outputFacets) names.add(facet);
  }
  return [...names].flatMap((name) => snapshot.facets.get(name) ?? []);
}

export function capabilitiesOf(proposed: { draft?: PlannerDraft; delta?: PlanDelta } | undefined): string[] {
  const nodes = [
    ...(proposed?.draft?.nodes ?? []),
    ...(proposed?.delta?.operations ?? []).flatMap((operation) => ('node' in operation ? operation.node : [])),
  ];
  return nodes
    .flatMap((node) => [node.capabilityId, node.derivedFrom, ...(node.fallback ?? [])])
    .filter((id) => id != null);
}

const wordsOf = (text: string): Set<string> =>
  new Set(
    text
      .replaceAll(/([a-z])([A-Z])/g, '$1 $2')
      .toLowerCase()
      .split(/[^\p{L}\p{N}]+/u)
      .filter((word) => word.length > 2),
  );

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
