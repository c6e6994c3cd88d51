import type { FacetValues, Json, PlanNode } from '@flex/contracts';
import { evaluateMapping, holds, validatorFor } from '@flex/planning';
import type { Step } from './step.js';

/** The values a node works on: its own literals, its producers' outputs, the run's facets. */
export function resolveInputs(step: Step, node: PlanNode): FacetValues {
  const inputs: FacetValues = {};
  for (const facet of [...node.facets.input, ...(node.facets.optional ?? [])]) {
    let value: Json | undefined = node.inputs?.[facet];
    if (value === undefined)
      for (const source of node.provenance) {
        if (source.facet !== facet) continue;
        const name = source.as ?? facet;
        value = source.source === 'node' ? step.outputsOf(source.nodeId!)?.[name] : step.facet(name);
        if (value !== undefined) break;
      }
    value ??= step.facet(facet);
    if (value !== undefined) inputs[facet] = value;
  }
  return inputs;
}

/** The run's facets by name, and every node's own outputs under `$nodes`, for joins of equal facets. */
export function mappingContext(step: Step): Record<string, Json> {
  const nodes: Record<string, Json> = {};
  for (const node of step.state.plan!.nodes) {
    const outputs = step.outputsOf(node.id);
    if (outputs) nodes[node.id] = outputs;
  }
  return { ...step.facets(), $nodes: nodes };
}

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
