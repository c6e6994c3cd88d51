import type {
  JsonSchema,
  Mapping,
  OutputComposition,
  OutputContract,
  PlannerDiagnostic,
  RegistrySnapshot,
} from '@flex/contracts';
import { escapeToken } from '../mapping/json-pointer.js';
import { facetObject } from '../validation/facet-schemas.js';
import { resolveSchema } from '../relevance/resolve-contract.js';
import { shapeOf } from '../relevance/schema-shape.js';

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
  names.length === 1
    ? { from: `/${escapeToken(names[0]!)}` }
    : { first: names.map((name) => ({ from: `/${escapeToken(name)}` })) };

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

/** The answer's members from the facets that the plan has, by name or by form. */
function schemaOutput(schema: JsonSchema, sources: OutputSources): PlannedOutput {
  const { snapshot, written, available, derived } = sources;
  if (derived.has(OUTPUT_FACET)) {
    return {
      composition: { mode: 'json_schema', schema, mapping: { from: `/${OUTPUT_FACET}` } },
      goals: [OUTPUT_FACET],
      diagnostics: [],
    };
  }
  // Of two facets that fit equally well the one written last is meant.
  const known = [...new Set([...written.toReversed(), ...available])];
  const { parts, diagnostics } = resolveSchema(schema, { snapshot, known, supply: () => 2 });
  const whole = parts.find((part) => part.name === undefined);
  const members = new Map(parts.map((part) => [part.name ?? '', { facet: part.facet, mapping: part.mapping }]));
  // What mappings derive, and free inputs, have no schema to be compared: their name has to say it.
  const free = [...shapeOf(schema).properties.keys()].filter(
    (name) => known.includes(name) && !snapshot.facets.has(name),
  );
  for (const name of free) members.set(name, { facet: name, mapping: read([name]) });
  const mapping: Mapping = whole?.mapping ?? {
    object: Object.fromEntries([...members].map(([name, member]) => [name, member.mapping])),
  };
  const open = free.length > 0 ? diagnostics.filter(({ pointer }) => !isAnswered(pointer, free)) : diagnostics;
  const suggestion = `Add a transformation with a mapping that writes ${OUTPUT_FACET}, from ${known.slice(0, 8).join(', ')}`;
  return {
    composition: { mode: 'json_schema', schema, mapping },
    goals: [...new Set([...members.values()].map(({ facet }) => facet))],
    diagnostics: open.map((found) => ({ ...found, suggestion })),
  };
}

/** Whether a finding is about a member that is there after all, or about there being none. */
const isAnswered = (pointer: string | undefined, names: readonly string[]): boolean =>
  pointer === '/outputContract/schema' ||
  names.some((name) => pointer === `/outputContract/schema/properties/${escapeToken(name)}`);

function freeformOutput(sources: OutputSources): PlannedOutput {
  const goals = sources.derived.has(OUTPUT_FACET)
    ? [OUTPUT_FACET]
    : [...new Set(sources.unread.length > 0 ? sources.unread : sources.written)];
  if (goals.length === 0) {
    return {
      composition: { mode: 'freeform', schema: true, mapping: { object: {} } },
      goals,
      diagnostics: [
        {
          code: 'OUTPUT_CONTRACT_UNSATISFIABLE',
          severity: 'error',
          message: 'No node of the plan writes anything',
          pointer: '/outputContract',
        },
      ],
    };
  }
  const mapping: Mapping = sources.derived.has(OUTPUT_FACET)
    ? { from: `/${OUTPUT_FACET}` }
    : { object: Object.fromEntries(goals.map((facet) => [keyOf(facet, sources.snapshot), read([facet])])) };
  return { composition: { mode: 'freeform', schema: true, mapping }, goals, diagnostics: [] };
}
