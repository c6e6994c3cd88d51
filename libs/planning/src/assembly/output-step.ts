import { pointerStep } from '../facets/json-pointer.js';
import { OUTPUT_FACET } from '../output/plan-output.js';
import { transformationFor, type ResolvedContract } from '../relevance/resolve-contract.js';
import type { CoreSteps } from './core-steps.js';

/**
 * The last step: makes the answer of the facets when its form differs from theirs, else joins branches. It waits for the checks, so
 * that nothing unchecked leaves the plan.
 */
export function addOutputStep(
  steps: CoreSteps,
  contract: ResolvedContract,
  goalProviders: ReadonlyMap<string, readonly string[]>,
  branchCount: number,
  required: boolean,
): void {
  const { graph } = steps;
  // Of a plan under way only what is new can call for a new answer.
  if (graph.drafted.length === 0 && steps.ground.standing.some((node) => node.writes.includes(OUTPUT_FACET))) return;
  const checks = graph.drafted.filter((step) => step.kind === 'validation').map((step) => step.id);
  const providersOf = (facet: string): Set<string> => new Set(goalProviders.get(facet) ?? []);
  const startsWith = (facet: string): boolean => steps.startsWithName(facet);
  const transformation = transformationFor(contract, (facet) => providersOf(facet).size > 0 || startsWith(facet));
  if (transformation !== undefined) {
    const { mapping, reads, why } = transformation;
    const step = graph.add({
      id: `transform:${OUTPUT_FACET}`,
      kind: 'transformation',
      label: 'Bring the results into the form of the output contract',
      writes: [OUTPUT_FACET],
      mapping: { [OUTPUT_FACET]: mapping },
      rationale: ['The output contract has another form than the facets', ...why],
      after: new Set(checks),
    });
    for (const facet of reads) {
      const from = providersOf(facet);
      if (from.size > 0) step.reads.set(facet, from);
      else steps.readFromStart(step, facet);
    }
    if (branchCount > 1) step.rationale.push(`Joins ${branchCount} branches`);
    return;
  }
  const joined = contract.goals.filter((facet) => providersOf(facet).size > 1 && branchCount > 1);
  const untouched = (graph.drafted.length === 0 && steps.ground.standing.length === 0) || required;
  for (const facet of joined.length > 0 ? joined : untouched ? contract.goals.slice(0, 1) : []) {
    const step = graph.add({
      id: `join:${facet}`,
      kind: 'transformation',
      label: `Collect ${steps.titleOf(facet)}`,
      writes: [facet],
      mapping: { [facet]: { from: pointerStep(facet) } },
      rationale: [
        joined.length > 0
          ? `Joins ${facet} of ${branchCount} branches`
          : required
            ? 'The policy requires a transformation; the answer needs none, so it is passed on as it is'
            : `${facet} is given already`,
      ],
      after: new Set(checks.filter((id) => graph.get(id).writes.every((written) => written !== facet))),
    });
    const from = providersOf(facet);
    if (from.size > 0) step.reads.set(facet, from);
    else steps.readFromStart(step, facet);
  }
}
