import type { PlanMetadata, PlannerDraft, PlanNode } from '@flex/contracts';
import type { PlanningQuestion, PlanOrigin } from './planning-question.js';

export function gatherMetadata(
  { snapshot, policies }: PlanningQuestion,
  draft: PlannerDraft,
  nodes: readonly PlanNode[],
  origin: PlanOrigin,
  depth: number,
  satisfaction: number,
): PlanMetadata {
  const scores = nodes.flatMap((node) => node.selection?.score ?? []);
  const about = { ...draft.metadata, ...origin.runtime };
  return {
    registryRevision: snapshot.revision,
    ...(scores.length > 0 ? { score: scores.reduce((sum, score) => sum + score, 0) / scores.length } : {}),
    satisfaction,
    branches: branchesOf(draft, nodes, policies.planner.branches),
    derived: nodes.filter((node) => node.derivedFrom !== undefined).map((node) => node.id),
    fallbacks: nodes
      .filter((node) => node.kind === 'fallback')
      .map((node) => ({
        nodeId: node.id,
        facets: node.facets.output,
        reason:
          node.rationale[0] ??
          (node.selection === undefined
            ? 'No capability provides these facets'
            : `No capability reaches the threshold of ${node.selection.threshold}`),
        ...(node.fallback.length > 0 ? { suggestion: `${node.fallback.join(', ')}, then a person` } : {}),
      })),
    normalizationInjected: nodes.some((node) => node.kind === 'transformation' && node.mapping !== undefined),
    planner: {
      runtime: about.runtime ?? 'deterministic',
      ...(about.provider === undefined ? {} : { provider: about.provider }),
      ...(about.model === undefined ? {} : { model: about.model }),
      ...(about.usage === undefined ? {} : { usage: about.usage }),
    },
    attempts: origin.attempts,
    ...(origin.proven === undefined ? {} : { proven: origin.proven }),
    depth,
  };
}

/** Branches of the policies and those that the planner asked for, as far as nodes belong to them. */
function branchesOf(
  draft: PlannerDraft,
  nodes: readonly PlanNode[],
  asked: PlanMetadata['branches'],
): PlanMetadata['branches'] {
  const known = new Map(
    [...asked, ...(draft.branchRequests ?? [])].map(({ id, label, rationale }) => [
      id,
      { id, label, ...(rationale === undefined ? {} : { rationale }) },
    ]),
  );
  const used = new Set(nodes.flatMap((node) => node.branchId ?? []));
  // A branch that came with a later version is known by the node that starts it.
  for (const { kind, branchId, label, rationale } of nodes)
    if (kind === 'branch' && branchId !== undefined && !known.has(branchId))
      known.set(branchId, { id: branchId, label, ...(rationale[0] === undefined ? {} : { rationale: rationale[0] }) });
  return [...used].map((id) => known.get(id) ?? { id, label: id });
}
