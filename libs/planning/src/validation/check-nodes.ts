import type { DraftNode, RegisteredCapability, RegistrySnapshot } from '@flex/contracts';
import { mappingReads } from '../mapping/evaluate-mapping.js';
import { capabilityOf, facetsOf, isEngineNode } from './capability-use.js';
import type { Findings } from './findings.js';
import { indexSnapshot, type SnapshotIndex } from './snapshot-index.js';

/**
 * Judges each node by itself: its capability exists and works, its facets are known, and the two fit together. `free` are
 * names beyond the catalogue that nodes may read: free inputs, and what mappings derive.
 */
export function checkNodes(
  nodes: readonly DraftNode[],
  snapshot: RegistrySnapshot,
  free: ReadonlySet<string>,
  open: (node: DraftNode) => boolean,
  findings: Findings,
): void {
  const index = indexSnapshot(snapshot);
  nodes.forEach((node, number) => {
    if (!open(node)) return;
    const pointer = `/nodes/${number}`;
    const known = checkFacetNames(node, pointer, snapshot, index, free, findings);
    const capability = checkCapability(node, pointer, snapshot, index, findings);
    if (capability !== undefined && known) checkSupport(node, pointer, capability, index, findings);
    if (node.mapping !== undefined) checkMapping(node, pointer, findings);
    for (const [at, id] of (node.fallback ?? []).entries())
      checkRegistered(node, id, `${pointer}/fallback/${at}`, snapshot, index, findings, 'warn');
  });
}

/** Facets that a declarative transformation writes need not be in the catalogue; all others must. */
function checkFacetNames(
  node: DraftNode,
  pointer: string,
  snapshot: RegistrySnapshot,
  index: SnapshotIndex,
  free: ReadonlySet<string>,
  findings: Findings,
): boolean {
  let known = true;
  const check = (facet: string, at: string): void => {
    if (snapshot.facets.has(facet)) return;
    known = false;
    const near = index.nearestFacet(facet);
    findings.error('UNKNOWN_FACET', `The facet ${facet} is not in the catalogue`, {
      nodeId: node.id,
      facet,
      pointer: pointer + at,
      suggestion: near.length > 0 ? `Did you mean ${near.join(' or ')}?` : 'Publish the facet first',
    });
  };
  const derives = node.kind === 'transformation' && node.mapping !== undefined;
  node.inputFacets.forEach((facet, at) => {
    if (!free.has(facet)) check(facet, `/inputFacets/${at}`);
  });
  if (!derives) node.outputFacets.forEach((facet, at) => check(facet, `/outputFacets/${at}`));
  return known;
}

function checkCapability(
  node: DraftNode,
  pointer: string,
  snapshot: RegistrySnapshot,
  index: SnapshotIndex,
  findings: Findings,
): RegisteredCapability | undefined {
  const id = node.capabilityId ?? node.derivedFrom;
  if (id === undefined) {
    if (isEngineNode(node) || node.kind === 'fallback') return undefined;
    const able = node.outputFacets.flatMap((facet) => index.producers(facet)).slice(0, 3);
    findings.error('CAPABILITY_MISSING', `The ${node.kind} node ${node.id} names no capability`, {
      nodeId: node.id,
      pointer: `${pointer}/capabilityId`,
      suggestion:
        able.length > 0
          ? `${[...new Set(able.map((capability) => capability.capabilityId))].join(' or ')} could do it`
          : 'Name a registered capability, or make it a fallback node for a person',
    });
    return undefined;
  }
  const at = `${pointer}/${node.capabilityId === undefined ? 'derivedFrom' : 'capabilityId'}`;
  return checkRegistered(node, id, at, snapshot, index, findings, 'error') ? capabilityOf(node, snapshot) : undefined;
}

function checkRegistered(
  node: DraftNode,
  id: string,
  pointer: string,
  snapshot: RegistrySnapshot,
  index: SnapshotIndex,
  findings: Findings,
  level: 'error' | 'warn',
): boolean {
  const capability = snapshot.capabilities.get(id);
  if (capability === undefined) {
    const near = index.nearestCapability(id);
    const able = node.outputFacets.flatMap((facet) => index.producers(facet)).map((other) => other.capabilityId);
    const others = [...new Set([...near, ...able])].slice(0, 3);
    findings[level]('CAPABILITY_NOT_REGISTERED', `The capability ${id} is not registered`, {
      nodeId: node.id,
      capabilityId: id,
      pointer,
      suggestion:
        others.length > 0 ? `Registered are ${others.join(', ')}` : 'Register a capability that writes these facets',
    });
    return false;
  }
  if (capability.status !== 'active') {
    const others = node.outputFacets
      .flatMap((facet) => index.producers(facet))
      .filter((other) => other.capabilityId !== id);
    findings[level](
      'CAPABILITY_INACTIVE',
      `The capability ${id} is out of service${capability.inactiveReason ? `: ${capability.inactiveReason}` : ''}`,
      {
        nodeId: node.id,
        capabilityId: id,
        pointer,
        suggestion:
          others.length > 0
            ? `In service: ${[...new Set(others.map((other) => other.capabilityId))].slice(0, 3).join(', ')}`
            : undefined,
      },
    );
    return false;
  }
  return true;
}

/** A node may ask of its capability only what that reads and writes. A derived node may go beyond, if it overlaps at all. */
function checkSupport(
  node: DraftNode,
  pointer: string,
  capability: RegisteredCapability,
  index: SnapshotIndex,
  findings: Findings,
): void {
  const { capabilityId } = capability;
  const derived = node.capabilityId === undefined;
  const { required, optional, outputs } = facetsOf(capability);
  const unsupported = (facet: string, verb: string, supported: readonly string[], at: string): void => {
    const related = supported.find(
      (name) => index.ancestors(name).includes(facet) || index.ancestors(facet).includes(name),
    );
    findings[derived ? 'warn' : 'error'](
      'FACET_UNSUPPORTED_BY_CAPABILITY',
      `${capabilityId} does not ${verb} ${facet}`,
      {
        nodeId: node.id,
        capabilityId,
        facet,
        pointer: pointer + at,
        suggestion:
          related !== undefined
            ? `Write ${related} instead: the two are related by extends`
            : `It ${verb}s ${supported.join(', ') || 'nothing'}`,
      },
    );
  };
  node.inputFacets.forEach((facet, at) => {
    if (!required.has(facet) && !optional.has(facet))
      unsupported(facet, 'read', [...required, ...optional], `/inputFacets/${at}`);
  });
  node.outputFacets.forEach((facet, at) => {
    if (!outputs.has(facet)) unsupported(facet, 'write', capability.outputFacets, `/outputFacets/${at}`);
  });
  if (derived && node.outputFacets.length > 0 && !node.outputFacets.some((facet) => outputs.has(facet))) {
    findings.error(
      'FACET_UNSUPPORTED_BY_CAPABILITY',
      `${node.id} derives from ${capabilityId}, which writes none of its facets`,
      {
        nodeId: node.id,
        capabilityId,
        pointer: `${pointer}/derivedFrom`,
      },
    );
  }
}

function checkMapping(node: DraftNode, pointer: string, findings: Findings): void {
  const mapping = node.mapping!;
  if (node.kind !== 'transformation') {
    findings.error(
      'MAPPING_INVALID',
      `Only a transformation can have a mapping, and ${node.id} is of kind ${node.kind}`,
      {
        nodeId: node.id,
        pointer: `${pointer}/mapping`,
      },
    );
    return;
  }
  for (const facet of node.outputFacets) {
    if (!Object.hasOwn(mapping, facet))
      findings.error('MAPPING_INVALID', `The mapping of ${node.id} does not say how ${facet} is made`, {
        nodeId: node.id,
        facet,
        pointer: `${pointer}/mapping`,
      });
  }
  const readable = new Set([...node.inputFacets, ...Object.keys(node.inputs ?? {})]);
  for (const [facet, part] of Object.entries(mapping)) {
    const at = `${pointer}/mapping/${facet}`;
    if (!node.outputFacets.includes(facet))
      findings.error(
        'MAPPING_INVALID',
        `The mapping of ${node.id} makes ${facet}, which is not among its outputFacets`,
        { nodeId: node.id, facet, pointer: at },
      );
    for (const read of mappingReads(part)) {
      if (read !== '' && !readable.has(read))
        findings.error(
          'MAPPING_INVALID',
          `The mapping of ${node.id} reads ${read}, which is not among its inputFacets`,
          {
            nodeId: node.id,
            facet: read,
            pointer: at,
            suggestion: `Add ${read} to the inputFacets`,
          },
        );
    }
  }
}
