import type { FacetValues, Json, PlanNode } from '@flex/contracts';
import { evaluateMapping, holds, resolveFacets, validatorFor, type FacetLookup } from '@flex/planning';
import type { Step } from './step.js';

/**
 * The values a node works on: its own literals, its producers' outputs (of branches that meet here joined, of alternatives
 * that of the one which ran), the run's facets.
 */
export function resolveInputs(step: Step, node: PlanNode): FacetValues {
  const { values: inputs } = resolveFacets(node.provenance, lookupOf(step, node));
  for (const facet of [...node.facets.input, ...(node.facets.optional ?? [])]) {
    inputs[facet] ??= node.inputs?.[facet] ?? step.facet(facet)!;
    if (inputs[facet] === undefined) delete inputs[facet];
  }
  return inputs;
}

/** The facets that the answer is made of: by the plan's sources, else as the run has them. */
export function outputFacets(step: Step): FacetValues {
  const { sources } = step.state.plan!.output;
  const { values } = resolveFacets(sources ?? [], lookupOf(step));
  return { ...step.facets(), ...values };
}

const lookupOf = (step: Step, node?: PlanNode): FacetLookup => ({
  given: (facet) => step.facet(facet),
  written: (nodeId, facet) => step.outputsOf(nodeId)?.[facet],
  literal: (facet) => node?.inputs?.[facet],
});

/** What an output breaks: its compiled schema, or a post-condition of the capability. */
export function outputIssues(step: Step, node: PlanNode, outputs: FacetValues) {
  const issues = validatorFor(node.outputSchema)(toKeys(node, outputs));
  if (issues.length > 0) return issues;
  for (const condition of node.postConditions ?? [])
    if (
      !holds(
        condition.condition,
        conditionOver(step, outputs[condition.facet] ?? step.facet(condition.facet), condition.pointer),
      )
    )
      return [
        {
          pointer: `/${condition.facet}${condition.pointer ?? ''}`,
          message: condition.description ?? 'a post-condition of the capability does not hold',
          facet: condition.facet,
        },
      ];
  return [];
}

/** A condition's view of one value. */
export function conditionOver(step: Step, value: Json | undefined, pointer?: string): Json {
  const selected = pointer ? evaluateMapping({ from: pointer }, (value ?? {}) as Record<string, Json>) : value;
  return step.conditionContext({ value: selected ?? null });
}

/** Values by facet as the compiled schemas name them. */
export function toKeys(node: PlanNode, values: FacetValues): FacetValues {
  const keys = node.facets.keys;
  if (!keys) return values;
  return Object.fromEntries(Object.entries(values).map(([facet, value]) => [keys[facet] ?? facet, value]));
}
