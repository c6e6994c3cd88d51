import type { JsonSchema, Mapping, OutputComposition, OutputContract, PlannerDiagnostic, RegistrySnapshot } from '@flex/contracts';
import { escapeToken } from '../mapping/json-pointer.js';
import { facetObject } from '../validation/facet-schemas.js';
import { deref, propertiesOf, requiredOf, reshape } from './schema-shape.js';

/** The facet that an injected transformation writes when the answer differs in shape from every facet. */
export const OUTPUT_FACET = 'output';

export interface PlannedOutput {
  composition: OutputComposition;
  /** Facets that the answer is made of. */
  goals: string[];
  diagnostics: PlannerDiagnostic[];
}

export interface OutputSources {
  snapshot: RegistrySnapshot;
  /** Facets that nodes write, in the plan's order. */
  written: readonly string[];
  /** Facets written by declarative transformations, whatever the catalogue says of them. */
  derived: ReadonlySet<string>;
  /** Facets that the run has from the start. */
  available: ReadonlySet<string>;
  ancestors(facet: string): readonly string[];
  /** Facets that no node of the plan reads; what a freeform answer consists of. */
  unread: readonly string[];
}

/** How the answer is made of the plan's facets, and what of the contract the plan leaves open. */
export function planOutput(contract: OutputContract, sources: OutputSources): PlannedOutput {
  switch (contract.mode) {
    case 'facets':
      return facetsOutput(contract.facets, sources);
    case 'json_schema':
      return schemaOutput(contract.schema, sources);
    case 'freeform':
      return freeformOutput(sources);
  }
}

/** Facets of the plan that satisfy a wish for `facet`: itself first, then what specialises it, the last written first. */
function providersOf(facet: string, { written, available, ancestors }: OutputSources): string[] {
  const all = [...new Set([...written.toReversed(), ...available])];
  const fitting = all.filter((name) => ancestors(name).includes(facet));
  return fitting.includes(facet) ? [facet, ...fitting.filter((name) => name !== facet)] : fitting;
}

const read = (names: readonly string[]): Mapping =>
  names.length === 1 ? { from: `/${escapeToken(names[0]!)}` } : { first: names.map((name) => ({ from: `/${escapeToken(name)}` })) };

const keyOf = (facet: string, snapshot: RegistrySnapshot): string => snapshot.facets.get(facet)?.propertyKey ?? facet;

function facetsOutput(facets: readonly string[], sources: OutputSources): PlannedOutput {
  const diagnostics: PlannerDiagnostic[] = [];
  const object: Record<string, Mapping> = {};
  const goals: string[] = [];
  facets.forEach((facet, at) => {
    const providers = providersOf(facet, sources);
    if (providers.length === 0) {
      diagnostics.push({
        code: sources.snapshot.facets.has(facet) ? 'OUTPUT_FACET_UNCOVERED' : 'UNKNOWN_FACET',
        severity: 'error',
        message: sources.snapshot.facets.has(facet)
          ? `No node writes ${facet}, which the output contract asks for`
          : `The output contract asks for ${facet}, which is not in the catalogue`,
        facet,
        pointer: `/outputContract/facets/${at}`,
      });
      return;
    }
    object[keyOf(facet, sources.snapshot)] = read(providers);
    goals.push(...providers);
  });
  const known = facets.filter((facet) => sources.snapshot.facets.has(facet));
  const { schema, errors } = facetObject(sources.snapshot, known, [], 'bidirectional');
  diagnostics.push(...errors);
  return { composition: { mode: 'facets', schema, mapping: { object } }, goals, diagnostics };
}

/** The keywords of a facet's schema and of those that it specialises, enough to compare shapes. */
function shapeOf(facet: string, sources: OutputSources): JsonSchema {
  const schemas = sources.ancestors(facet).flatMap((name) => sources.snapshot.facets.get(name)?.schema ?? []);
  const merged: Record<string, unknown> = {};
  for (const schema of schemas.toReversed()) {
    if (typeof schema === 'boolean') continue;
    const properties = { ...propertiesOf(merged), ...propertiesOf(schema) };
    Object.assign(merged, schema, Object.keys(properties).length > 0 ? { properties } : {});
  }
  return merged;
}

function schemaOutput(schema: JsonSchema, sources: OutputSources): PlannedOutput {
  const done = (mapping: Mapping, goals: string[], diagnostics: PlannerDiagnostic[] = []): PlannedOutput => ({
    composition: { mode: 'json_schema', schema, mapping },
    goals,
    diagnostics,
  });
  if (sources.derived.has(OUTPUT_FACET)) return done({ from: `/${OUTPUT_FACET}` }, [OUTPUT_FACET]);
  const root = deref(schema, schema);
  const properties = Object.entries(propertiesOf(root));
  if (properties.length === 0) {
    const whole = byShape(root, schema, sources);
    if (whole !== undefined) return done(whole.mapping, [whole.facet]);
    return done({ value: null }, [], [unsatisfiable('', 'The output contract is not an object, and no facet of the plan has its shape', sources)]);
  }
  const object: Record<string, Mapping> = {};
  const goals: string[] = [];
  const diagnostics: PlannerDiagnostic[] = [];
  for (const [name, part] of properties) {
    const found = byName(name, sources) ?? byShape(part, schema, sources);
    if (found !== undefined) {
      object[name] = found.mapping;
      goals.push(found.facet);
    } else if (requiredOf(root).includes(name)) {
      diagnostics.push(unsatisfiable(`/properties/${escapeToken(name)}`, `No facet of the plan gives the output's required property ${name}`, sources));
    }
  }
  if (goals.length === 0 && diagnostics.length === 0) {
    diagnostics.push(unsatisfiable('', 'No facet of the plan fits any property of the output', sources));
  }
  return done({ object }, [...new Set(goals)], diagnostics);
}

const unsatisfiable = (pointer: string, message: string, { written }: OutputSources): PlannerDiagnostic => ({
  code: 'OUTPUT_CONTRACT_UNSATISFIABLE',
  severity: 'error',
  message,
  pointer: `/outputContract/schema${pointer}`,
  suggestion: `Add a transformation with a mapping that writes ${OUTPUT_FACET}${written.length > 0 ? ` from ${[...new Set(written)].slice(-8).join(', ')}` : ''}`,
});

/** A facet of the property's name, or with that property key. */
function byName(name: string, sources: OutputSources): { facet: string; mapping: Mapping } | undefined {
  const candidates = providersOf(name, sources);
  const named =
    candidates[0] ??
    [...sources.written.toReversed(), ...sources.available].find((facet) => sources.snapshot.facets.get(facet)?.propertyKey === name);
  return named === undefined ? undefined : { facet: named, mapping: read(candidates.length > 0 ? candidates : [named]) };
}

/** The facet last written whose structure gives what is wanted, reshaped if need be. Bare texts and numbers prove nothing. */
function byShape(wanted: unknown, root: JsonSchema, sources: OutputSources): { facet: string; mapping: Mapping } | undefined {
  const target = deref(wanted, root) as { type?: unknown } | undefined;
  if (target?.type !== 'array' && target?.type !== 'object') return undefined;
  for (const facet of [...new Set(sources.written.toReversed())]) {
    const shape = shapeOf(facet, sources);
    if (typeof shape === 'boolean' || shape['type'] !== target.type) continue;
    const way = reshape(`/${escapeToken(facet)}`, shape, shape, target, root);
    if (way !== undefined && sharesNames(shape, target)) return { facet, mapping: way.mapping };
  }
  return undefined;
}

/** Two lists or objects without a member name in common only look alike. */
function sharesNames(shape: JsonSchema, target: unknown): boolean {
  const inner = (schema: unknown): unknown => ((schema as { type?: unknown }).type === 'array' ? ((schema as { items?: unknown }).items ?? {}) : schema);
  const names = Object.keys(propertiesOf(inner(target)));
  return names.length === 0 || names.some((name) => name in propertiesOf(inner(shape)));
}

function freeformOutput(sources: OutputSources): PlannedOutput {
  const goals = sources.derived.has(OUTPUT_FACET) ? [OUTPUT_FACET] : [...new Set(sources.unread.length > 0 ? sources.unread : sources.written)];
  if (goals.length === 0) {
    return {
      composition: { mode: 'freeform', schema: true, mapping: { object: {} } },
      goals,
      diagnostics: [{ code: 'OUTPUT_CONTRACT_UNSATISFIABLE', severity: 'error', message: 'No node of the plan writes anything', pointer: '/outputContract' }],
    };
  }
  const mapping: Mapping = sources.derived.has(OUTPUT_FACET)
    ? { from: `/${OUTPUT_FACET}` }
    : { object: Object.fromEntries(goals.map((facet) => [keyOf(facet, sources.snapshot), read([facet])])) };
  return { composition: { mode: 'freeform', schema: true, mapping }, goals, diagnostics: [] };
}
