import type { Facet } from '@flex/contracts';

/** Facets that a definition may refer to: what is registered, and what comes with it in the same request. */
export interface FacetLookup {
  get(name: string): Facet | undefined;
}

/** The facets of a request over those that are there already; the later of two equal names counts. */
export function withIncoming(existing: FacetLookup, incoming: readonly Facet[]): FacetLookup {
  if (incoming.length === 0) return existing;
  const own = new Map(incoming.map((facet) => [facet.name, facet]));
  return { get: (name) => own.get(name) ?? existing.get(name) };
}
