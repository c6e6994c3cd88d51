import type { DraftNode, RegisteredCapability, RegistrySnapshot } from '@flex/contracts';

/** Nodes that the engine executes itself, without any capability. */
export const isEngineNode = (node: Pick<DraftNode, 'kind' | 'mapping' | 'capabilityId' | 'derivedFrom'>): boolean =>
  node.kind === 'branch' ||
  (node.kind === 'transformation' && node.mapping !== undefined) ||
  (node.kind === 'routing' && node.capabilityId === undefined && node.derivedFrom === undefined);

/** The capability that executes a node: its own, or the one that it derives from. */
export function capabilityOf(node: Pick<DraftNode, 'capabilityId' | 'derivedFrom'>, snapshot: RegistrySnapshot): RegisteredCapability | undefined {
  const id = node.capabilityId ?? node.derivedFrom;
  return id === undefined ? undefined : snapshot.capabilities.get(id);
}

/** What a node reads, once its capability's needs are added: required facets, and optional ones that may be absent. */
export function readsOf(node: DraftNode, capability: RegisteredCapability | undefined): { required: string[]; optional: string[] } {
  if (capability === undefined) {
    // A person or a fallback works with what there is; an engine node needs what it reads.
    const facets = [...new Set(node.inputFacets)];
    return node.kind === 'fallback' ? { required: [], optional: facets } : { required: facets, optional: [] };
  }
  const optionalOf = new Set(capability.inputFacets.filter((input) => input.required === false).map((input) => input.facet));
  const required = new Set(capability.inputFacets.filter((input) => input.required !== false).map((input) => input.facet));
  const optional = new Set<string>();
  for (const facet of node.inputFacets) {
    if (node.kind === 'fallback' || optionalOf.has(facet)) {
      if (!required.has(facet)) optional.add(facet);
    } else required.add(facet);
  }
  return { required: [...required], optional: [...optional] };
}
