import type { DiagnosticCode, FacetDirection, JsonSchema, PlannerDiagnostic, RegistrySnapshot } from '@flex/contracts';
import { compileFacets, type FacetContractError } from '../facets/compile-facets.js';

export interface FacetObject {
  schema: JsonSchema;
  /** Property under which a facet appears in the schema, where that is not its name. */
  keys?: Record<string, string>;
  errors: PlannerDiagnostic[];
}

const caches = new WeakMap<RegistrySnapshot, Map<string, FacetObject>>();

/**
 * The schema of an object that has these facets; equal questions about one snapshot share one answer, so that equal
 * nodes share one schema object. Facets that are not in the catalogue (what a mapping derives) may hold anything.
 */
export function facetObject(
  snapshot: RegistrySnapshot,
  required: readonly string[],
  optional: readonly string[],
  direction: FacetDirection,
): FacetObject {
  let cache = caches.get(snapshot);
  if (cache === undefined) caches.set(snapshot, (cache = new Map()));
  const key = `${direction} ${required.join(',')} ${optional.join(',')}`;
  let object = cache.get(key);
  if (object === undefined) cache.set(key, (object = compile(snapshot, required, optional, direction)));
  return object;
}

function compile(
  snapshot: RegistrySnapshot,
  required: readonly string[],
  optional: readonly string[],
  direction: FacetDirection,
): FacetObject {
  const known = (facet: string): boolean => snapshot.facets.has(facet);
  const requests = [
    ...required.filter(known).map((facet) => ({ facet, required: true })),
    ...optional.filter(known).map((facet) => ({ facet, required: false })),
  ];
  const compiled = compileFacets(snapshot.facets, requests, direction);
  const keys = Object.fromEntries(Object.entries(compiled.keys).filter(([facet, key]) => facet !== key));
  const derived = required.filter((facet) => !known(facet));
  return {
    schema: derived.length === 0 ? compiled.schema : withDerived(compiled.schema, derived),
    ...(Object.keys(keys).length > 0 ? { keys } : {}),
    errors: compiled.errors.map(finding),
  };
}

function withDerived(schema: JsonSchema, derived: readonly string[]): JsonSchema {
  const { properties, required, ...rest } = schema as { properties?: object; required?: string[] };
  return {
    ...rest,
    properties: { ...properties, ...Object.fromEntries(derived.map((facet) => [facet, true])) },
    required: [...(required ?? []), ...derived],
  };
}

export const finding = ({ code, facet, pointer, message, otherFacet }: FacetContractError): PlannerDiagnostic => ({
  code: `FACET_CONTRACT_${code}` as DiagnosticCode,
  severity: 'error',
  message: `${facet}${otherFacet === undefined ? '' : ` and ${otherFacet}`}: ${message}`,
  facet,
  pointer,
});
