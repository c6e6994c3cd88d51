import type { DraftNode, EventData, Selection } from '@flex/contracts';

/** A log line stays readable: of larger plans the first nodes are told, and how many there are. */
const NODES_TOLD = 50;

/**
 * What the planner's log says of a draft: which capability for which facets with which score, and which version of the plan
 * it would be, made from which revision of the registry.
 */
export function draftedForLog(asked: EventData<'plan.requested'>, answer: EventData<'plan.drafted'>): object {
  const { draft, delta, selections = {}, usage, proven } = answer;
  const nodes = draft?.nodes ?? nodesOf(delta);
  const { runtime, model } = draft?.metadata ?? delta?.metadata ?? {};
  return {
    planVersion: (asked.replan?.baseVersion ?? 0) + 1,
    registryRevision: asked.registry.revision,
    runtime,
    model,
    usage,
    proven,
    count: nodes.length,
    nodes: nodes.slice(0, NODES_TOLD).map((node) => nodeForLog(node, selections[node.id])),
    ...(delta ? { operations: delta.operations.length } : {}),
  };
}

const nodesOf = (delta: EventData<'plan.drafted'>['delta']): DraftNode[] =>
  (delta?.operations ?? []).flatMap((one) => (one.op === 'addNode' || one.op === 'replaceNode' ? [one.node] : []));

const nodeForLog = (
  { id, kind, capabilityId, derivedFrom, inputFacets, outputFacets, branchId }: DraftNode,
  selection: Selection | undefined,
): object => ({
  node: id,
  kind,
  ...(capabilityId === undefined ? {} : { capabilityId }),
  ...(derivedFrom === undefined ? {} : { derivedFrom }),
  ...(branchId === undefined ? {} : { branchId }),
  inputFacets,
  outputFacets,
  ...(selection ? { score: selection.score, threshold: selection.threshold } : {}),
});
