import type { FacetValues, NextStep, PlanNode } from '@flex/contracts';
import { BRANCHES_TAG, performerOf } from '@flex/planning';
import { resolveInputs, toKeys } from './data.js';
import { indexOf, namedSoFar, type RunState } from './state.js';
import type { Step } from './step.js';

/**
 * Running on: a dispatch names the steps that may follow it, and a worker that is quick goes on with them by itself and
 * reports them together. Named are only steps about which nothing would be decided in between: one way in and one way out
 * without conditions, inputs that are known or that steps of the same dispatch make, and a run without runtime policies or
 * limits on what it spends. Of another capability only such that tell its worker nothing new. See docs/adr/0014.
 */
export function nextSteps(step: Step, first: PlanNode, key: string): NextStep[] | undefined {
  const { runOn } = step.world.settings;
  if (runOn === 0 || !step.state.policies || isGoverned(step.state)) return undefined;
  const next: NextStep[] = [];
  const before = [first];
  while (next.length < runOn) {
    const node = followerOf(step, before.at(-1)!);
    if (!node) break;
    const capabilityId = performerOf(node)!;
    const other = node.capabilityKey ?? capabilityId;
    const apart = other !== key;
    if (apart && !mayServe(step, key, other, capabilityId)) break;
    const inputs = inputsOf(step, node, before, apart);
    if (!inputs) break;
    const work = workOf(step, node, namedSoFar(step.state.nodes.get(node.id)!) + 1);
    // What all steps share is said once.
    if (work.outputSchema === first.outputSchema) work.outputSchema = undefined;
    next.push({ ...work, ...inputs, ...(apart ? { capabilityId, key: other } : {}) });
    before.push(node);
  }
  return next.length > 0 ? next : undefined;
}

/** Whether workers of one capability may go on with another: one that counts its steps is left to its own consumer. */
const mayServe = ({ world }: Step, key: string, other: string, capabilityId: string): boolean =>
  world.together(key, other) && world.registry.capabilities.get(capabilityId)?.concurrency === undefined;

/** What a work item says of its node, whichever way the node comes to be started. */
export function workOf(step: Step, node: PlanNode, attempt: number) {
  return {
    nodeId: node.id,
    attempt,
    kind: node.kind,
    label: node.label,
    provenance: Object.fromEntries(node.provenance.map((source) => [source.facet, source.nodeId ?? source.source])),
    outputFacets: node.facets.output,
    outputSchema: node.outputSchema as PlanNode['outputSchema'] | undefined,
    instruction: node.instruction || undefined,
    timeoutMs: node.timeoutMs,
    idempotencyKey: `${step.state.runId}:${node.id}:${attempt}`,
  };
}

/** Whether something may have to be decided between any two steps of the run. */
function isGoverned({ policies }: RunState): boolean {
  const { runtime, budget } = policies!;
  return (
    runtime.length > 0 ||
    budget.maxTokens !== undefined ||
    budget.maxCost !== undefined ||
    budget.maxNodes !== undefined
  );
}

/** The one node that has to follow, if a worker does it and nobody has to look at the result before. */
function followerOf(step: Step, node: PlanNode): PlanNode | undefined {
  const { nodes, outgoing, incoming, guarded } = indexOf(step.state.plan!);
  const [edge, another] = outgoing.get(node.id) ?? [];
  if (!edge || another || guarded.has(edge.to) || incoming.get(edge.to)!.length > 1) return undefined;
  if (node.postConditions?.length || mayAskForBranches(step, node)) return undefined;
  const follower = nodes.get(edge.to)!;
  const run = step.state.nodes.get(edge.to);
  const isPlain =
    performerOf(follower) !== undefined &&
    follower.agentType !== 'human' &&
    follower.kind !== 'branch' &&
    follower.kind !== 'fallback' &&
    !follower.mapping &&
    !follower.routes &&
    !follower.preConditions?.length;
  return isPlain && run?.status === 'pending' && run.candidate === 0 ? follower : undefined;
}

function mayAskForBranches(step: Step, node: PlanNode): boolean {
  const { facets } = step.world.registry;
  return node.facets.output.some((facet) => facets.get(facet)?.tags?.includes(BRANCHES_TAG));
}

/**
 * What a step after others reads: what is known now, and what they make; undefined when neither is sure. `apart`: known is
 * only what the first of them reads as well.
 */
function inputsOf(
  step: Step,
  node: PlanNode,
  before: readonly PlanNode[],
  apart: boolean,
): Pick<NextStep, 'inputs' | 'take'> | undefined {
  const known = resolveInputs(step, node);
  const shown = apart ? resolveInputs(step, before[0]!) : known;
  const inputs: FacetValues = {};
  const take: NonNullable<NextStep['take']> = {};
  for (const facet of new Set([...node.facets.input, ...(node.facets.optional ?? [])])) {
    const sources = node.provenance.filter((source) => source.facet === facet);
    const made = sources.find(({ nodeId }) => before.some(({ id }) => id === nodeId));
    if (made) {
      // Several sources are joined, by rules that a worker does not know.
      if (sources.length > 1) return undefined;
      take[node.facets.keys?.[facet] ?? facet] = { nodeId: made.nodeId!, facet: made.as ?? facet };
    } else if (before.some(({ facets }) => facets.output.includes(facet))) return undefined;
    else if (known[facet] !== shown[facet]) return undefined;
    else if (known[facet] !== undefined) inputs[facet] = known[facet];
    else if (!node.facets.optional?.includes(facet)) return undefined;
  }
  return { inputs: toKeys(node, inputs), ...(Object.keys(take).length > 0 ? { take } : {}) };
}
