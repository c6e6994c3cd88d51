import type { Facet, JsonSchema, PlannerDiagnostic, RegistrySnapshot } from '@flex/contracts';

export interface FacetObject {
  schema: JsonSchema;
  /** Property under which a facet appears in the schema, where that is not its name. */
  keys?: Record<string, string>;
  errors: PlannerDiagnostic[];
}

const caches = new WeakMap<RegistrySnapshot, Map<string, FacetObject>>();

/**
 * The schema of an object that has these facets; equal questions about one snapshot share one answer. Facets that are
 * not in the catalogue (what a mapping derives) may hold anything.
 */
export function facetObject(
  snapshot: RegistrySnapshot,
  required: readonly string[],
  optional: readonly string[],
  direction: 'input' | 'output',
): FacetObject {
  let cache = caches.get(snapshot);
  if (cache === undefined) caches.set(snapshot, (cache = new Map()));
  const key = `${direction} ${required.join(',')} ${optional.join(',')}`;
  let object = cache.get(key);
  if (object === undefined) cache.set(key, (object = compile(snapshot.facets, required, optional)));
  return object;
}

function compile(catalog: ReadonlyMap<string, Facet>, required: readonly string[], optional: readonly string[]): FacetObject {
  const properties: Record<string, JsonSchema> = {};
  const keys: Record<string, string> = {};
  const keyOf = (name: string): string => catalog.get(name)?.propertyKey ?? name;
  for (const name of [...required, ...optional]) {
    const parts: JsonSchema[] = [];
    const seen = new Set<string>();
    for (let facet = catalog.get(name); facet !== undefined && !seen.has(facet.name); facet = catalog.get(facet.extends ?? '')) {
      seen.add(facet.name);
      parts.unshift(facet.schema);
    }
    properties[keyOf(name)] = parts.length === 0 ? true : parts.length === 1 ? parts[0]! : { allOf: parts };
    if (keyOf(name) !== name) keys[name] = keyOf(name);
  }
  return {
    schema: { type: 'object', properties, required: required.map(keyOf) },
    ...(Object.keys(keys).length > 0 ? { keys } : {}),
    errors: [],
  };
}
