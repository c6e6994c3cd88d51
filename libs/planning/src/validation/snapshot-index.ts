import type { Facet, RegisteredCapability, RegistrySnapshot } from '@flex/contracts';
import { nearestNames } from '../naming/nearest-name.js';

/** What is derived from a snapshot once and used by every plan that is judged against it. */
export interface SnapshotIndex {
  /** A facet and what it specialises, nearest first; just the name itself for a facet that is not in the catalogue. */
  ancestors(facet: string): readonly string[];
  /** Active capabilities that produce a facet or a specialisation of it. */
  producers(facet: string): readonly RegisteredCapability[];
  nearestCapability(wrong: string): string[];
  nearestFacet(wrong: string): string[];
  /** Facet that an envelope's input belongs to: by name, else by property key. */
  facetOfInput(key: string): Facet | undefined;
}

const indexes = new WeakMap<RegistrySnapshot, SnapshotIndex>();

export function indexSnapshot(snapshot: RegistrySnapshot): SnapshotIndex {
  let index = indexes.get(snapshot);
  if (index === undefined) indexes.set(snapshot, (index = buildIndex(snapshot)));
  return index;
}

function buildIndex(snapshot: RegistrySnapshot): SnapshotIndex {
  const { facets, capabilities } = snapshot;
  const chains = new Map<string, readonly string[]>();
  let byProduct: Map<string, RegisteredCapability[]> | undefined;
  let byKey: Map<string, Facet> | undefined;

  const ancestors = (facet: string): readonly string[] => {
    let chain = chains.get(facet);
    if (chain === undefined) {
      const seen = new Set([facet]);
      // A cycle of `extends` ends the walk; the contract compiler reports it.
      for (
        let parent = facets.get(facet)?.extends;
        parent !== undefined && !seen.has(parent);
        parent = facets.get(parent)?.extends
      )
        seen.add(parent);
      chains.set(facet, (chain = [...seen]));
    }
    return chain;
  };

  return {
    ancestors,
    producers(facet) {
      if (byProduct === undefined) {
        byProduct = new Map();
        for (const capability of capabilities.values()) {
          if (capability.status !== 'active') continue;
          for (const output of new Set(capability.outputFacets.flatMap((name) => ancestors(name)))) {
            const list = byProduct.get(output);
            if (list === undefined) byProduct.set(output, [capability]);
            else list.push(capability);
          }
        }
      }
      return byProduct.get(facet) ?? [];
    },
    nearestCapability: (wrong) => nearestNames(wrong, capabilities.keys(), 3),
    nearestFacet: (wrong) => nearestNames(wrong, facets.keys(), 3),
    facetOfInput(key) {
      const named = facets.get(key);
      if (named !== undefined) return named;
      if (byKey === undefined) {
        byKey = new Map();
        for (const facet of facets.values())
          if (facet.propertyKey !== undefined && !byKey.has(facet.propertyKey)) byKey.set(facet.propertyKey, facet);
      }
      return byKey.get(key);
    },
  };
}
