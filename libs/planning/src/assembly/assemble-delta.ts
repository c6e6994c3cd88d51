import type {
  DeltaOperation,
  DraftEdge,
  DraftNode,
  PlanDelta,
  PlanGraph,
  PlannerDiagnostic,
  Selection,
} from '@flex/contracts';
import { sameJson } from '../delta/same-json.js';
import { assemble } from './assemble.js';
import type { Ground } from './core-steps.js';
import {
  brokenBranches,
  groundOf,
  nodesToRepeat,
  type DeltaQuestion,
  type Outlook,
  type ReplanContext,
} from './replan-ground.js';

export type { DeltaQuestion, ReplanContext };

export interface AssembledDelta {
  readonly delta: PlanDelta;
  readonly selections: Record<string, Selection>;
  readonly diagnostics: PlannerDiagnostic[];
  readonly proven: boolean;
  readonly missing: readonly string[];
}

/**
 * The changes that a plan under way needs: what is finished or running stays, unless the reason for replanning blames it, in
 * which case its work is done again by new nodes; what is still to come is assembled anew from there.
 */
export function assembleDelta(question: DeltaQuestion): AssembledDelta {
  const { replan, cause } = question;
  const plan: PlanGraph = replan.plan;
  const blamed = nodesToRepeat(question);
  const again = new Set([...blamed, ...brokenBranches(question, groundOf(question, blamed))]);
  const { ground, available, cancelled, branches, untouched } = groundOf(question, again);
  const assembly = assemble({
    ...question,
    available,
    exclude: [...(question.exclude ?? []), ...(replan.exclude ?? [])],
    ground,
    branches,
  });
  const drafted = (assembly.draft?.nodes ?? []).map((node) => told(node, again, question));
  const edges = [...(assembly.draft?.edges ?? []), ...laterThanBefore(drafted, again)];
  const rationale = [`Planned again (${cause.kind})${cause.rationale === undefined ? '' : `: ${cause.rationale}`}`];
  if (again.size > 0) rationale.push(`Done again: ${[...again].join(', ')}`);
  return {
    delta: {
      baseVersion: replan.baseVersion,
      operations: operationsFor(plan, replan, ground, { cancelled, untouched }, drafted, edges),
      rationale: rationale.map((reason) => reason.slice(0, 2000)),
      metadata: { runtime: 'deterministic' },
    },
    selections: assembly.selections,
    diagnostics: assembly.diagnostics,
    proven: assembly.proven,
    missing: assembly.missing,
  };
}

/** Whoever does something again is told why, and what a person or a message said. */
function told(node: DraftNode, again: ReadonlySet<string>, { replan, cause }: DeltaQuestion): DraftNode {
  const plan: PlanGraph = replan.plan;
  const work = node.capabilityId !== undefined || node.derivedFrom !== undefined || node.kind === 'fallback';
  const repeats = plan.nodes.some((before) => again.has(before.id) && before.facets.output.some((facet) => node.outputFacets.includes(facet))); // prettier-ignore
  const addressed = cause.kind === 'signal' || cause.kind === 'operator' || cause.kind === 'hitl';
  if (!work || node.kind === 'validation' || (!repeats && !addressed)) return node;
  const values = Object.entries(replan.values ?? {});
  const notes = [
    ...(repeats ? ['This is done again.'] : []),
    ...(cause.rationale === undefined ? [] : [cause.rationale]),
    ...(values.length > 0
      ? [`To be taken into account: ${JSON.stringify(Object.fromEntries(values)).slice(0, 4000)}`]
      : []),
  ];
  if (notes.length === 0) return node;
  return {
    ...node,
    instruction: [node.instruction, ...notes]
      .filter((part) => part !== undefined)
      .join('\n')
      .slice(0, 20_000),
    rationale: [
      ...(node.rationale ?? []),
      `Planned again (${cause.kind})${cause.rationale === undefined ? '' : `: ${cause.rationale.slice(0, 1000)}`}`,
    ],
  };
}

/** What is done again comes after what it replaces, so that its result is the one that counts. */
function laterThanBefore(drafted: readonly DraftNode[], again: ReadonlySet<string>): DraftEdge[] {
  if (again.size === 0) return [];
  const edges: DraftEdge[] = [];
  for (const node of drafted) {
    if (node.kind === 'fallback' || node.kind === 'branch') continue;
    const before = [...again].filter((id) => node.id.startsWith(id) || sameWork(id, node));
    for (const id of before) edges.push({ from: id, to: node.id, facets: [] });
  }
  return edges;
}

/** By id: `writer.blog` is done again by `writer.blog:v2` and by `writer.blog@branch`. */
const sameWork = (id: string, node: DraftNode): boolean =>
  node.capabilityId !== undefined && id.split(/[@:]/)[0] === node.capabilityId;

function operationsFor(
  plan: PlanGraph,
  replan: ReplanContext,
  ground: Ground,
  { cancelled, untouched }: Pick<Outlook, 'cancelled' | 'untouched'>,
  drafted: readonly DraftNode[],
  edges: readonly DraftEdge[],
): DeltaOperation[] {
  const operations: DeltaOperation[] = [];
  const before = new Map(plan.nodes.map((node) => [node.id, node]));
  const wanted = new Map(drafted.map((node) => [node.id, node]));
  const staying = plan.nodes.filter((node) => node.branchId !== undefined && untouched.has(node.branchId));
  const settled = new Set([
    ...replan.completed,
    ...[...ground.standing, ...ground.beside, ...staying].map((node) => node.id),
  ]);
  const failed = new Set(replan.failed.map((node) => node.nodeId));
  for (const nodeId of cancelled) operations.push({ op: 'cancelNode', nodeId });
  for (const node of plan.nodes) {
    if (settled.has(node.id) || cancelled.has(node.id) || wanted.has(node.id)) continue;
    if (!failed.has(node.id) || before.has(node.id)) operations.push({ op: 'removeNode', nodeId: node.id });
  }
  for (const node of drafted) {
    const known = before.get(node.id);
    if (known === undefined) operations.push({ op: 'addNode', node });
    else if (!sameJson(known.draft, node)) operations.push({ op: 'replaceNode', node });
  }
  const gone = new Set(operations.flatMap((operation) => (operation.op === 'removeNode' || operation.op === 'cancelNode' ? operation.nodeId : []))); // prettier-ignore
  const existing = new Map(plan.edges.map((edge) => [`${edge.from} ${edge.to}`, edge]));
  const kept = new Set(edges.map((edge) => `${edge.from} ${edge.to}`));
  for (const edge of plan.edges) {
    // Conditions guard what they were made for: one that is no longer wanted must not hold back what stays.
    const stays = !gone.has(edge.from) && !gone.has(edge.to) && !settled.has(edge.to);
    if (stays && edge.condition !== undefined && !kept.has(`${edge.from} ${edge.to}`))
      operations.push({ op: 'removeEdge', from: edge.from, to: edge.to });
  }
  for (const edge of edges) {
    const known = existing.get(`${edge.from} ${edge.to}`);
    if (known === undefined || gone.has(edge.from) || !sameJson(known.condition ?? null, edge.condition ?? null))
      operations.push({ op: 'addEdge', edge });
  }
  return operations;
}
