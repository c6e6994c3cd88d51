import { toIssue, type Facet, type FacetDirection, type JsonSchema, type ValidationIssue } from '@flex/contracts';
import { embedSchema } from './embed-schema.js';
import { extendsChain, propertyKeyOf, satisfies, type FacetCatalog } from './extends-chain.js';
import { pointerStep, pointerSteps } from './json-pointer.js';
import { schemaConflicts, type ConflictCode } from './schema-conflicts.js';
import { rawErrors } from './validators.js';

export type FacetContractErrorCode = 'FACET_NOT_FOUND' | 'DIRECTION_MISMATCH' | ConflictCode;

export interface FacetContractError {
  readonly code: FacetContractErrorCode;
  readonly facet: string;
  /** Where in the compiled schema; empty when the facet isn't in it. */
  readonly pointer: string;
  readonly message: string;
  /** The facet on the other side of a conflict. */
  readonly otherFacet?: string;
}

export interface FacetRequest {
  readonly facet: string;
  /** Absent: the facet's `requiredByDefault`, else true. */
  readonly required?: boolean;
}

/** Which facet a part of the compiled schema comes from. */
export interface SchemaOrigin {
  readonly facet: string;
  readonly title?: string;
  /** The facet that was asked for, when the part comes from one that it extends. */
  readonly through?: string;
}

export interface CompiledFacets {
  readonly schema: JsonSchema;
  /** By pointer into the schema; a part's origin is that of the longest pointer it lies under. */
  readonly provenance: Readonly<Record<string, SchemaOrigin>>;
  /** The property under which each requested facet appears. */
  readonly keys: Readonly<Record<string, string>>;
  readonly errors: readonly FacetContractError[];
}

const cache = new WeakMap<FacetCatalog, Map<string, CompiledFacets>>();
const CACHE_PER_CATALOG = 5000;

/**
 * One schema for an object that holds the requested facets: what it accepts, each facet accepts, and the other way round.
 *
 * `direction` is that of the node which the schema is for: its inputs, its outputs, or `bidirectional` where direction doesn't
 * matter (the engine's own nodes, the final output). Results are kept per catalog, which is immutable.
 */
export function compileFacets(
  catalog: FacetCatalog,
  requests: readonly FacetRequest[],
  direction: FacetDirection,
): CompiledFacets {
  let known = cache.get(catalog);
  if (known === undefined) cache.set(catalog, (known = new Map()));
  const question = `${direction} ${requests.map(({ facet, required }) => `${facet}:${required ?? ''}`).join(' ')}`;
  let compiled = known.get(question);
  if (compiled === undefined) {
    if (known.size >= CACHE_PER_CATALOG) known.clear();
    compiled = compile(catalog, requests, direction);
    known.set(question, compiled);
  }
  return compiled;
}

function compile(catalog: FacetCatalog, requests: readonly FacetRequest[], direction: FacetDirection): CompiledFacets {
  const errors: FacetContractError[] = [];
  const provenance: Record<string, SchemaOrigin> = {};
  const keys: Record<string, string> = {};
  const byKey = new Map<string, Facet[]>();
  const required: string[] = [];
  for (const request of requests) {
    const facet = catalog.get(request.facet);
    if (facet === undefined) {
      errors.push({ code: 'FACET_NOT_FOUND', facet: request.facet, pointer: '', message: 'no such facet' });
      continue;
    }
    const key = propertyKeyOf(facet);
    keys[facet.name] = key;
    if (direction !== 'bidirectional' && facet.direction !== 'bidirectional' && facet.direction !== direction)
      errors.push({
        code: 'DIRECTION_MISMATCH',
        facet: facet.name,
        pointer: `/properties${pointerStep(key)}`,
        message: `an ${facet.direction} facet can't be used as ${direction}`,
      });
    if ((request.required ?? facet.requiredByDefault ?? true) && !required.includes(key)) required.push(key);
    const sharing = byKey.get(key) ?? [];
    if (!sharing.includes(facet)) byKey.set(key, [...sharing, facet]);
  }

  const properties: Record<string, JsonSchema> = {};
  for (const [key, facets] of byKey) {
    const property = propertySchema(catalog, key, facets, provenance, errors);
    Object.defineProperty(properties, key, { value: property, enumerable: true, configurable: true, writable: true });
  }
  const schema: JsonSchema = { type: 'object', properties, ...(required.length > 0 ? { required } : {}) };
  for (const key of byKey.keys()) {
    const pointer = `/properties${pointerStep(key)}`;
    for (const conflict of schemaConflicts(schema, [{ schema: properties[key]!, pointer }])) {
      const [first, second] = conflict.pointers;
      const origin = originAt(provenance, first ?? pointer);
      const other = second === undefined ? undefined : originAt(provenance, second);
      errors.push({
        code: conflict.code,
        facet: origin?.facet ?? byKey.get(key)![0]!.name,
        pointer: first ?? pointer,
        message: conflict.message,
        ...(other !== undefined && other.facet !== origin?.facet ? { otherFacet: other.facet } : {}),
      });
    }
  }
  return { schema, provenance, keys, errors };
}

/** All facets that share a property, each with what it extends, ancestors first; as they are when there is but one. */
function propertySchema(
  catalog: FacetCatalog,
  key: string,
  facets: readonly Facet[],
  provenance: Record<string, SchemaOrigin>,
  errors: FacetContractError[],
): JsonSchema {
  const pointer = `/properties${pointerStep(key)}`;
  const layers: { facet: Facet; through: Facet }[] = [];
  for (const facet of facets) {
    // An ancestor of another requested facet is in that one's chain already.
    if (facets.some((other) => other !== facet && satisfies(other.name, facet.name, catalog))) continue;
    const { chain, unknown } = extendsChain(facet, catalog);
    if (unknown !== undefined)
      errors.push({
        code: 'FACET_NOT_FOUND',
        facet: unknown,
        pointer,
        message: `extended by ${facet.name}, but unknown`,
      });
    for (const layer of [...chain].reverse())
      if (!layers.some((known) => known.facet === layer)) layers.push({ facet: layer, through: facet });
  }
  const embed = (facet: Facet, base: string): JsonSchema => {
    const { schema, problems } = embedSchema(facet.schema, base);
    for (const problem of problems)
      errors.push({
        code: 'MERGE_UNSUPPORTED',
        facet: facet.name,
        pointer: base + problem.pointer,
        message: problem.message,
      });
    return schema;
  };
  const head = facets[0]!;
  provenance[pointer] = { facet: head.name, ...(head.title === undefined ? {} : { title: head.title }) };
  if (layers.length === 1) return embed(layers[0]!.facet, pointer);
  return {
    allOf: layers.map(({ facet, through }, at) => {
      const base = `${pointer}/allOf/${at}`;
      provenance[base] = {
        facet: facet.name,
        ...(facet.title === undefined ? {} : { title: facet.title }),
        ...(through === facet ? {} : { through: through.name }),
      };
      return embed(facet, base);
    }),
  };
}

function originAt(provenance: Readonly<Record<string, SchemaOrigin>>, pointer: string): SchemaOrigin | undefined {
  for (let at = pointer; at !== ''; at = at.slice(0, at.lastIndexOf('/')))
    if (provenance[at] !== undefined) return provenance[at];
  return undefined;
}

/** Validates an object of facets; each issue names the facet (and its title) that it breaks. */
export function validateFacets(compiled: CompiledFacets, value: unknown): ValidationIssue[] {
  return rawErrors(compiled.schema, value)
    .slice(0, 50)
    .map((error) => {
      const issue = toIssue(error);
      const key = pointerSteps(issue.pointer)[0];
      const origin =
        originAt(compiled.provenance, decodeURI(error.schemaPath.slice(1))) ??
        (key === undefined ? undefined : compiled.provenance[`/properties${pointerStep(key)}`]);
      if (origin === undefined) return issue;
      return {
        ...issue,
        facet: origin.through ?? origin.facet,
        ...(origin.title === undefined ? {} : { title: origin.title }),
      };
    });
}
