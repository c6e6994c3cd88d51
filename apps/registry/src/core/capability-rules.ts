import { Capability, issuesOf, type Facet, type ValidationIssue } from '@flex/contracts';
import { compileCondition } from '@flex/planning';
import type { FacetLookup } from './catalogue-view.js';

/** What is wrong with a capability; pointers are into it. */
export function capabilityFaults(capability: unknown, catalogue: FacetLookup): ValidationIssue[] {
  const shape = issuesOf(Capability, capability);
  if (shape.length > 0) return shape;
  const {
    inputFacets,
    outputFacets,
    preConditions = [],
    postConditions = [],
    agentType,
    assignment,
  } = capability as Capability;
  const faults: ValidationIssue[] = [];
  const inputs = new Map<string, boolean>();
  for (const [index, { facet, required = true }] of inputFacets.entries()) {
    const pointer = `/inputFacets/${index}/facet`;
    if (inputs.has(facet)) faults.push({ pointer, message: `"${facet}" is listed twice`, keyword: 'unique', facet });
    inputs.set(facet, required);
    const found = catalogue.get(facet);
    if (!found) faults.push(unknown(facet, pointer));
    else if (found.direction === 'output') {
      const message = `"${facet}" has direction output: it is made for whoever asked, and no capability reads it`;
      faults.push({ pointer, message, keyword: 'direction', facet });
    }
  }
  const outputs = new Set<string>();
  for (const [index, facet] of outputFacets.entries()) {
    const pointer = `/outputFacets/${index}`;
    if (outputs.has(facet)) faults.push({ pointer, message: `"${facet}" is listed twice`, keyword: 'unique', facet });
    outputs.add(facet);
    const found = catalogue.get(facet);
    if (!found) faults.push(unknown(facet, pointer));
    else faults.push(...outputFaults(found, pointer, inputs));
  }
  if (outputFacets.length === 0) {
    faults.push({
      pointer: '/outputFacets',
      message: 'names no facet: nothing could ever need it',
      keyword: 'minItems',
    });
  }
  for (const [list, conditions] of Object.entries({ preConditions, postConditions })) {
    for (const [index, { facet, condition }] of conditions.entries()) {
      if (!catalogue.get(facet)) faults.push(unknown(facet, `/${list}/${index}/facet`));
      const compiled = compileCondition(condition);
      if (compiled.ok) continue;
      const where = typeof condition === 'string' ? ` (line ${compiled.line}, column ${compiled.column})` : '';
      const pointer = `/${list}/${index}/condition${compiled.pointer}`;
      faults.push({ pointer, message: compiled.message + where, keyword: 'condition', facet });
    }
  }
  if (assignment && agentType !== 'human') {
    faults.push({ pointer: '/assignment', message: 'is for agentType "human" only', keyword: 'assignment' });
  }
  return faults;
}

function outputFaults(facet: Facet, pointer: string, inputs: ReadonlyMap<string, boolean>): ValidationIssue[] {
  const { name, direction } = facet;
  if (direction === 'input') {
    const message = `"${name}" has direction input: it comes from whoever asks, and no capability produces it`;
    return [{ pointer, message, keyword: 'direction', facet: name }];
  }
  if (inputs.get(name)) {
    const message = `"${name}" is also a required input: the capability would need its own output first`;
    return [{ pointer, message, keyword: 'selfDependent', facet: name }];
  }
  return [];
}

const unknown = (facet: string, pointer: string): ValidationIssue => ({
  pointer,
  message: `facet "${facet}" does not exist; publish it first`,
  keyword: 'facetNotFound',
  facet,
});
