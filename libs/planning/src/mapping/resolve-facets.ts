import type { FacetSource, Json } from '@flex/contracts';
import { joinValues } from './join-values.js';

export interface FacetLookup {
  /** A value that the run has beyond its nodes: envelope inputs, signals. */
  given(facet: string): Json | undefined;
  /** What a node wrote, if it completed. */
  written(nodeId: string, facet: string): Json | undefined;
  /** The reading node's own literal input. */
  literal(facet: string): Json | undefined;
}

/**
 * The values that a node (or the final answer) reads, and for each where it came from: `envelope`, `branch`, or node ids
 * joined by commas. Facets of which no source has a value are absent.
 */
export function resolveFacets(
  sources: readonly FacetSource[],
  lookup: FacetLookup,
): { values: Record<string, Json>; provenance: Record<string, string> } {
  const present = new Map<string, { source: FacetSource; value: Json }[]>();
  for (const source of sources) {
    const name = source.as ?? source.facet;
    const value =
      source.source === 'node'
        ? lookup.written(source.nodeId!, name)
        : source.source === 'branch'
          ? lookup.literal(source.facet)
          : lookup.given(name);
    if (value === undefined) continue;
    const list = present.get(source.facet);
    if (list === undefined) present.set(source.facet, [{ source, value }]);
    else list.push({ source, value });
  }
  const values: Record<string, Json> = {};
  const provenance: Record<string, string> = {};
  for (const [facet, list] of present) {
    const replaced = new Set(list.flatMap(({ source }) => source.over ?? []));
    // What the run had from the start gives way to anything that a node wrote.
    const fromNodes = list.filter(({ source }) => source.source === 'node' && !replaced.has(source.nodeId!));
    const used = fromNodes.length > 0 ? fromNodes : list.filter(({ source }) => source.source !== 'node');
    values[facet] = joinValues(used.map(({ value }) => value))!;
    provenance[facet] = used.map(({ source }) => source.nodeId ?? source.source).join(',');
  }
  return { values, provenance };
}
