import type { Facet, JsonSchema, Mapping, PlannerDiagnostic, RegistrySnapshot } from '@flex/contracts';
import { compileFacets } from '../facets/compile-facets.js';
import { propertyKeyOf } from '../facets/extends-chain.js';
import { pointerStep } from '../facets/json-pointer.js';
import { nameLikeness } from './name-likeness.js';
import { reshape, type Reshaping } from './reshape.js';
import { shapeOf, type Shape } from './schema-shape.js';

/** What of an output contract the plan has to provide. */
export interface ResolvedContract {
  /** Facets that the answer is made of. */
  readonly goals: readonly string[];
  /** What the answer's members, or the answer as a whole (no name), are made of; empty for a contract of facets. */
  readonly parts: readonly ContractPart[];
  readonly diagnostics: readonly PlannerDiagnostic[];
}

/** One member of the answer. */
export interface ContractPart {
  readonly name?: string;
  readonly facet: string;
  readonly mapping: Mapping;
  readonly needed: boolean;
  /** The facet as it is, under its own key. */
  readonly plain: boolean;
  readonly why: string;
}

export interface OutputTransformation {
  readonly mapping: Mapping;
  readonly reads: readonly string[];
  readonly why: readonly string[];
}

/**
 * How the answer is made of facets, given which of them the plan has; undefined when the answer consists of facets as they are,
 * so that nothing has to be transformed.
 */
export function transformationFor(
  contract: ResolvedContract,
  has: (facet: string) => boolean,
): OutputTransformation | undefined {
  const parts = contract.parts.filter((part) => part.needed || has(part.facet));
  if (parts.every((part) => part.plain)) return undefined;
  const whole = parts.find((part) => part.name === undefined);
  return {
    mapping: whole?.mapping ?? { object: Object.fromEntries(parts.map((part) => [part.name!, part.mapping])) },
    reads: [...new Set(parts.map((part) => part.facet))],
    why: parts.map((part) => part.why),
  };
}

export interface FacetSupply {
  readonly snapshot: RegistrySnapshot;
  /** How well a facet can be had: 2 it is or can be made available, 1 something writes it but lacks inputs, 0 nothing does. */
  readonly supply: (facet: string) => 0 | 1 | 2;
  /** All facets that something writes or that are available. */
  readonly known: readonly string[];
}

interface Match extends Reshaping {
  readonly facet: string;
  readonly why: string;
  readonly worth: number;
}

/** Resolves an output contract of mode `json_schema`. */
export function resolveSchema(schema: JsonSchema, supply: FacetSupply): ResolvedContract {
  const target = shapeOf(schema);
  return target.properties.size === 0 ? resolveWhole(target, supply) : resolveMembers(target, supply);
}

/** Resolves an output contract of mode `facets`: they are the goals, as far as they exist. */
export function resolveFacets(facets: readonly string[], snapshot: RegistrySnapshot): ResolvedContract {
  const diagnostics: PlannerDiagnostic[] = [];
  const goals: string[] = [];
  facets.forEach((facet, at) => {
    if (snapshot.facets.has(facet)) {
      goals.push(facet);
      return;
    }
    const near = [...snapshot.facets.keys()].filter((name) => nameLikeness(name, facet) >= 0.5).slice(0, 3);
    diagnostics.push({
      code: 'UNKNOWN_FACET',
      severity: 'error',
      message: `The output contract asks for ${facet}, which is not in the catalogue`,
      facet,
      pointer: `/outputContract/facets/${at}`,
      suggestion: near.length > 0 ? `Did you mean ${near.join(' or ')}?` : `Publish the facet ${facet} first`,
    });
  });
  return { goals, parts: [], diagnostics };
}

/** The answer as a whole is one facet: a list, a text, an object without declared members. */
function resolveWhole(target: Shape, supply: FacetSupply): ResolvedContract {
  const match = bestMatch(undefined, target, supply);
  if (match === undefined)
    return { goals: [], parts: [], diagnostics: [unsatisfiable('', 'No facet has the form of the output', supply)] };
  const { facet, mapping, why } = match;
  return { goals: [facet], parts: [{ facet, mapping, why, needed: true, plain: false }], diagnostics: [] };
}

function resolveMembers(target: Shape, supply: FacetSupply): ResolvedContract {
  const parts: ContractPart[] = [];
  const diagnostics: PlannerDiagnostic[] = [];
  for (const [name, wanted] of target.properties) {
    const required = target.required.has(name);
    const match = bestMatch(name, wanted, supply);
    // Without any required member every one that can be had is wanted.
    const needed = required || (target.required.size === 0 && match !== undefined && supply.supply(match.facet) === 2);
    if (match !== undefined) {
      const key = propertyKeyOf(supply.snapshot.facets.get(match.facet)!);
      const plain = match.identity && key === name && isPlain(match.mapping, match.facet);
      parts.push({ name, facet: match.facet, mapping: match.mapping, needed, plain, why: match.why });
    } else if (required) {
      const message = `No facet can fill the output's required member ${name}`;
      diagnostics.push(unsatisfiable(`/properties${pointerStep(name)}`, message, supply));
    }
  }
  const goals = [...new Set(parts.filter((part) => part.needed).map((part) => part.facet))];
  if (goals.length === 0 && diagnostics.length === 0)
    diagnostics.push(unsatisfiable('', 'No facet fits any member of the output', supply));
  return { goals, parts, diagnostics };
}

const isPlain = (mapping: Mapping, facet: string): boolean => 'from' in mapping && mapping.from === pointerStep(facet);

const unsatisfiable = (pointer: string, message: string, { known }: FacetSupply): PlannerDiagnostic => ({
  code: 'OUTPUT_CONTRACT_UNSATISFIABLE',
  severity: 'error',
  message,
  pointer: `/outputContract/schema${pointer}`,
  suggestion:
    known.length === 0
      ? 'Register capabilities that write facets of this form'
      : `Facets that can be had: ${known.slice(0, 12).join(', ')}; name the member after one, or register a capability that writes it`,
});

/**
 * The facet that fills a member: by name, property key or likeness of either, provided that the form fits; else by form alone
 * when that is telling (an object or list with the same members); else a member of a facet under the same name.
 */
function bestMatch(name: string | undefined, wanted: Shape, supply: FacetSupply): Match | undefined {
  let best: Match | undefined;
  const consider = (match: Match | undefined): void => {
    if (match !== undefined && (best === undefined || match.worth > best.worth)) best = match;
  };
  for (const facet of candidatesFor(name, supply)) {
    const rank = supply.supply(facet);
    if (rank === 0) continue;
    const shape = facetShape(facet, supply.snapshot);
    if (shape === undefined) continue;
    const key = propertyKeyOf(supply.snapshot.facets.get(facet)!);
    const likeness = name === undefined ? 0 : Math.max(nameLikeness(name, facet), nameLikeness(name, key));
    // What can be had comes first among equals, but a name that says it outright isn't beaten by what happens to be there.
    const bonus = rank === 2 ? 0.3 : 0;
    const whole = reshape(pointerStep(facet), shape, wanted);
    if (whole !== undefined) {
      const byName = likeness >= 0.35 ? likeness : 0;
      const byForm = telling(wanted, shape) ? whole.confidence * 0.8 : 0;
      if (byName > 0 || byForm > 0.4 || (name === undefined && whole.confidence > 0.5))
        consider({
          ...whole,
          facet,
          worth: byName + byForm + bonus + whole.confidence * 0.1,
          why:
            byName >= byForm
              ? `${name} is filled from ${facet} by name`
              : `${name ?? 'the output'} has the form of ${facet}`,
        });
    }
    if (name !== undefined) consider(memberMatch(name, wanted, facet, shape, bonus));
  }
  return best;
}

/** Above this many facets only those are looked at whose name is like the member's, or that can be had at once. */
const LOOK_AT_ALL = 2000;

function candidatesFor(name: string | undefined, supply: FacetSupply): readonly string[] {
  if (supply.known.length <= LOOK_AT_ALL) return supply.known;
  const named = name === undefined ? [] : supply.known.filter((facet) => nameLikeness(name, facet) >= 0.5);
  return [...new Set([...named, ...supply.known.filter((facet) => supply.supply(facet) === 2).slice(0, LOOK_AT_ALL)])];
}

/** A member of a facet, or of the first item of a facet that is a list, under the very name. */
function memberMatch(name: string, wanted: Shape, facet: string, shape: Shape, bonus: number): Match | undefined {
  for (const [holder, at, weight] of [
    [shape, '', 0.6],
    [shape.items, '/0', 0.35],
  ] as const) {
    for (const [member, memberShape] of holder?.properties ?? []) {
      const likeness = nameLikeness(name, member);
      if (likeness < 0.8) continue;
      const way = reshape(`${pointerStep(facet)}${at}${pointerStep(member)}`, memberShape, wanted);
      if (way === undefined) continue;
      const why = `${name} is filled from ${member} of ${facet}`;
      return { ...way, identity: false, facet, worth: likeness * weight + bonus, why };
    }
  }
  return undefined;
}

/** Objects and lists of objects show by their members what they are; bare texts and numbers all look alike. */
function telling(wanted: Shape, shape: Shape): boolean {
  const [one, other] = [wanted.items ?? wanted, shape.items ?? shape];
  const shared = [...one.properties.keys()].filter((name) => other.properties.has(name)).length;
  return shared >= 2 || (shared === 1 && one.properties.size === 1);
}

const shapes = new WeakMap<RegistrySnapshot, Map<string, Shape>>();

function facetShape(facet: string, snapshot: RegistrySnapshot): Shape | undefined {
  const found = snapshot.facets.get(facet);
  if (found === undefined) return undefined;
  let known = shapes.get(snapshot);
  if (known === undefined) shapes.set(snapshot, (known = new Map()));
  let shape = known.get(facet);
  if (shape === undefined) {
    shape = found.extends === undefined ? shapeOf(found.schema) : inheritedShape(found, snapshot);
    known.set(facet, shape);
  }
  return shape;
}

function inheritedShape(facet: Facet, snapshot: RegistrySnapshot): Shape {
  const { schema } = compileFacets(snapshot.facets, [{ facet: facet.name, required: true }], 'bidirectional');
  return shapeOf(schema).properties.get(propertyKeyOf(facet))!;
}

/** The effective shape of a facet, for who asks what it holds. */
export const shapeOfFacet = facetShape;
