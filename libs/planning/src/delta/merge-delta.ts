import type { CompiledDelta, PlanCause, PlanEdge, PlanGraph } from '@flex/contracts';

/**
 * The next version of a plan. The version before stays as it is, and all nodes and edges that the delta does not touch
 * are the same objects in both. Throws when the delta was made for another version: validation refuses such a delta.
 */
export function mergeDelta(
  plan: PlanGraph,
  delta: CompiledDelta,
  extra: { cause: PlanCause; versionTag?: string },
): PlanGraph {
  if (delta.baseVersion !== plan.version)
    throw new RangeError(`A delta for version ${delta.baseVersion} does not fit version ${plan.version}`);
  const removed = new Set(delta.removeNodes);
  const replaced = new Map(delta.replaceNodes.map((node) => [node.id, node]));
  const nodes =
    removed.size === 0 && replaced.size === 0 && delta.addNodes.length === 0
      ? plan.nodes
      : [
          ...plan.nodes.filter((node) => !removed.has(node.id)).map((node) => replaced.get(node.id) ?? node),
          ...delta.addNodes,
        ];
  const version = plan.version + 1;
  return {
    ...plan,
    version,
    versionTag: extra.versionTag ?? `v${version}`,
    parentVersion: plan.version,
    cause: extra.cause,
    nodes,
    edges: mergeEdges(plan.edges, delta),
    output: delta.output ?? plan.output,
    metadata: delta.metadata,
  };
}

export const edgeKey = ({ from, to }: { from: string; to: string }): string => `${from}\u0000${to}`;

function mergeEdges(edges: PlanEdge[], delta: CompiledDelta): PlanEdge[] {
  if (delta.removeEdges.length === 0 && delta.addEdges.length === 0) return edges;
  const removed = new Set(delta.removeEdges.map(edgeKey));
  return [...edges.filter((edge) => !removed.has(edgeKey(edge))), ...delta.addEdges];
}
