import type { Facet } from '@flex/contracts';

export type FacetCatalog = ReadonlyMap<string, Facet>;

export interface ExtendsChain {
  /** The facet itself and what it specialises, nearest first. */
  readonly chain: readonly Facet[];
  /** The `extends` that names no facet. */
  readonly unknown?: string;
  /** The facet at which the chain comes back to itself. */
  readonly cycleAt?: string;
}

/** Follows `extends` upward; stops, and says so, at a name that doesn't exist or at a cycle. */
export function extendsChain(facet: Facet, catalog: FacetCatalog): ExtendsChain {
  const chain: Facet[] = [];
  const seen = new Set<string>();
  let at: Facet | undefined = facet;
  while (at !== undefined) {
    chain.push(at);
    seen.add(at.name);
    if (at.extends === undefined) return { chain };
    if (seen.has(at.extends)) return { chain, cycleAt: at.extends };
    const parent = catalog.get(at.extends);
    if (parent === undefined) return { chain, unknown: at.extends };
    at = parent;
  }
  return { chain };
}

/** True when a producer of `given` satisfies a consumer of `needed`: they are the same, or `needed` is an ancestor of `given`. */
export function satisfies(given: string, needed: string, catalog: FacetCatalog): boolean {
  const facet = catalog.get(given);
  if (given === needed) return true;
  return facet !== undefined && extendsChain(facet, catalog).chain.some((ancestor) => ancestor.name === needed);
}

/** The property under which a facet appears in composed objects: its own, or that of the nearest ancestor that names one. */
export function propertyKeyOf(facet: Facet): string {
  return facet.propertyKey ?? facet.name;
}
