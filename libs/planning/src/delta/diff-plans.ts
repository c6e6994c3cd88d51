import type { PlanDiff, PlanGraph } from '@flex/contracts';
import { edgeKey } from './merge-delta.js';
import { sameJson } from './same-json.js';

/** What a version changed: nodes by id, edges by their ends. An edge that carries other facets is removed and added. */
export function diffPlans(before: PlanGraph, after: PlanGraph): PlanDiff {
  const [nodesBefore, nodesAfter] = [byId(before), byId(after)];
  const [edgesBefore, edgesAfter] = [byEnds(before), byEnds(after)];
  const ends = ({ from, to }: { from: string; to: string }) => ({ from, to });
  return {
    added: after.nodes.filter((node) => !nodesBefore.has(node.id)).map((node) => node.id),
    removed: before.nodes.filter((node) => !nodesAfter.has(node.id)).map((node) => node.id),
    changed: after.nodes
      .filter((node) => nodesBefore.has(node.id) && !sameJson(nodesBefore.get(node.id), node))
      .map((node) => node.id),
    edgesAdded: after.edges.filter((edge) => !sameJson(edgesBefore.get(edgeKey(edge)), edge)).map(ends),
    edgesRemoved: before.edges.filter((edge) => !sameJson(edgesAfter.get(edgeKey(edge)), edge)).map(ends),
  };
}

const byId = (plan: PlanGraph) => new Map(plan.nodes.map((node) => [node.id, node]));
const byEnds = (plan: PlanGraph) => new Map(plan.edges.map((edge) => [edgeKey(edge), edge]));
