import { Facet, issuesOf, type ValidationIssue } from '@flex/contracts';
import { checkFacetDefinition, unsafeSchema } from '@flex/planning';
import type { FacetLookup } from './catalogue-view.js';

const MAX_EXTENDS_DEPTH = 32;

/** What is wrong with the definition of a facet, apart from whether its schema compiles. Pointers are into the facet. */
export function facetFaults(facet: unknown, catalogue: FacetLookup): ValidationIssue[] {
  const shape = issuesOf(Facet, facet);
  if (shape.length > 0) return shape;
  const { name, extends: parent, schema, direction } = facet as Facet;
  const faults: ValidationIssue[] = [];
  if (parent !== undefined) faults.push(...extendsFaults(name, parent, direction, catalogue));
  faults.push(...unsafeSchema(schema, '/schema'));
  return faults.map((fault) => ({ ...fault, facet: name }));
}

/** Where a facet contradicts what it specialises; only for one without other faults. */
export function contractFaults(facet: Facet, catalogue: FacetLookup): ValidationIssue[] {
  if (facet.extends === undefined) return [];
  const chain = new Map<string, Facet>();
  for (let next = catalogue.get(facet.extends); next && !chain.has(next.name);) {
    chain.set(next.name, next);
    next = next.extends === undefined ? undefined : catalogue.get(next.extends);
  }
  return checkFacetDefinition(facet, chain).map(({ pointer = '', message, code }) => ({
    pointer,
    message,
    keyword: code,
    facet: facet.name,
  }));
}

function extendsFaults(
  name: string,
  parent: string,
  direction: Facet['direction'],
  catalogue: FacetLookup,
): ValidationIssue[] {
  const found = catalogue.get(parent);
  const at = { pointer: '/extends', keyword: 'extends' };
  if (parent !== name && !found) return [{ ...at, message: `extends facet "${parent}", which does not exist` }];
  const path = [name];
  for (let next: string | undefined = parent; next !== undefined; next = catalogue.get(next)?.extends) {
    path.push(next);
    if (next === name) return [{ ...at, message: `extends itself: ${path.join(' -> ')}` }];
    if (path.length > MAX_EXTENDS_DEPTH) return [{ ...at, message: `extends more than ${MAX_EXTENDS_DEPTH} facets` }];
  }
  if (found && found.direction !== 'bidirectional' && direction !== found.direction) {
    const message = `has direction ${direction}, but specialises "${parent}", whose direction is ${found.direction}`;
    return [{ ...at, pointer: '/direction', message }];
  }
  return [];
}
