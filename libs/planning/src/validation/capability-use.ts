import type { DraftNode, RegisteredCapability, RegistrySnapshot } from '@flex/contracts';

/** Nodes that the engine executes itself, without any capability. */
export const isEngineNode = (node: Pick<DraftNode, 'kind' | 'mapping' | 'capabilityId' | 'derivedFrom'>): boolean =>
  node.kind === 'branch' ||
  (node.kind === 'transformation' && node.mapping !== undefined) ||
  (node.kind === 'routing' && node.capabilityId === undefined && node.derivedFrom === undefined);

/** The capability that executes a node: its own, or the one that it derives from. */
export function capabilityOf(
  node: Pick<DraftNode, 'capabilityId' | 'derivedFrom'>,
  snapshot: RegistrySnapshot,
): RegisteredCapability | undefined {
  const id = node.capabilityId ?? node.derivedFrom;
  return id === undefined ? undefined : snapshot.capabilities.get(id);
}

/** Required and optional inputs of a capability. */
export interface CapabilityInputs {
  required: ReadonlySet<string>;
  optional: ReadonlySet<string>;
  outputs: ReadonlySet<string>;
}

const inputs = new WeakMap<RegisteredCapability, CapabilityInputs>();

export function facetsOf(capability: RegisteredCapability): CapabilityInputs {
  let known = inputs.get(capability);
  if (known === undefined) {
    const names = (required: boolean) =>
      new Set(
        capability.inputFacets.filter((input) => (input.required !== false) === required).map((input) => input.facet),
      );
    inputs.set(
      capability,
      (known = { required: names(true), optional: names(false), outputs: new Set(capability.outputFacets) }),
    );
  }
  return known;
}

/** What a node reads, once its capability's needs are added: required facets, and optional ones that may be absent. */
export function readsOf(
  node: DraftNode,
  capability: RegisteredCapability | undefined,
): { required: string[]; optional: string[] } {
  if (capability === undefined) {
    // A person or a fallback works with what there is; an engine node needs what it reads.
    const facets = [...new Set(node.inputFacets)];
    return node.kind === 'fallback' ? { required: [], optional: facets } : { required: facets, optional: [] };
  }
  const needs = facetsOf(capability);
  const required = new Set(needs.required);
  const optional = new Set<string>();
  for (const facet of node.inputFacets) {
    if (required.has(facet)) continue;
    if (node.kind === 'fallback' || needs.optional.has(facet)) optional.add(facet);
    else required.add(facet);
  }
  return { required: [...required], optional: [...optional] };
}
