import type {
  Branch,
  DeltaOperation,
  DraftEdge,
  DraftNode,
  EventData,
  PlanCause,
  PlanDelta,
  PlanGraph,
  PlannerDiagnostic,
  PlanNode,
  Selection,
} from '@flex/contracts';
import { sameJson } from '../delta/same-json.js';
import { assemble, type AssemblyQuestion } from './assemble.js';
import type { Ground, StandingNode } from './core-steps.js';

/** What the run has done and why it needs another plan, as the orchestrator says it. */
export type ReplanContext = NonNullable<EventData<'plan.requested'>['replan']>;

export interface DeltaQuestion extends Omit<AssemblyQuestion, 'ground' | 'branches' | 'available'> {
  readonly replan: ReplanContext;
  readonly cause: PlanCause;
}

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

const byProvenance = (plan: PlanGraph): Map<string, Set<string>> =>
  new Map(plan.nodes.map((node) => [node.id, new Set(node.provenance.flatMap((source) => source.nodeId ?? []))]));

/** Causes that blame work which is done; after the others what is done stays done. */
const BLAMING = new Set<PlanCause['kind']>(['policy', 'hitl', 'goal_condition', 'signal', 'operator']);

/**
 * Finished nodes whose work has to be done again: the blamed one, for a check what it checked, and everything made from that. When
 * branches are asked for, the unbranched work that they take the place of.
 */
function nodesToRepeat({ replan, cause, envelope, policies }: DeltaQuestion): Set<string> {
  const plan: PlanGraph = replan.plan;
  const completed = new Set(replan.completed);
  const byId = new Map(plan.nodes.map((node) => [node.id, node]));
  const done = plan.nodes.filter((node) => completed.has(node.id) && node.kind !== 'fallback');
  const sources = byProvenance(plan);
  const again = new Set<string>();
  const blame = (node: PlanNode): void => {
    again.add(node.id);
    if (node.kind !== 'validation') return;
    for (const id of sources.get(node.id) ?? [])
      if (byId.get(id)?.kind === 'execution' && completed.has(id)) again.add(id);
  };
  const writers = (facets: readonly string[]): PlanNode[] =>
    done.filter((node) => node.facets.output.some((facet) => facets.includes(facet)));

  if ((replan.branchRequests ?? []).length > 0) {
    for (const node of done) if (node.kind === 'execution' && node.branchId === undefined) again.add(node.id);
  } else if (BLAMING.has(cause.kind)) {
    const named = cause.nodeId === undefined ? undefined : byId.get(cause.nodeId);
    const reads = policies.runtime.find((policy) => policy.id === cause.policyId)?.reads ?? [];
    const goals = cause.kind === 'goal_condition' ? (envelope.goalConditions ?? []).map((goal) => goal.facet) : [];
    if (named !== undefined && completed.has(named.id)) blame(named);
    for (const node of writers([...reads, ...goals])) if (named === undefined) blame(node);
    if (again.size === 0) for (const node of done) if (node.kind === 'execution') blame(node);
  }
  for (let grew = again.size > 0; grew;) {
    grew = false;
    // What is done again a second time must not fall back on what the first time has replaced.
    const lines = new Set([...again].map(lineOf));
    for (const node of done)
      if (
        !again.has(node.id) &&
        (lines.has(lineOf(node.id)) || [...(sources.get(node.id) ?? [])].some((id) => again.has(id)))
      ) {
        again.add(node.id);
        grew = true;
      }
  }
  return again;
}

/** The id that a node and all later ones of the same work have in common: `writer.blog:v2` continues `writer.blog`. */
const lineOf = (id: string): string => id.replace(/(:v\d+)+$/, '');

/** What the rest of the plan starts from. */
interface Outlook {
  readonly ground: Ground;
  readonly available: string[];
  readonly cancelled: ReadonlySet<string>;
  /** Branches to be planned. */
  readonly branches: Branch[];
  /** Branches that go on as they are. */
  readonly untouched: ReadonlySet<string>;
}

/** Branches of the policies, those that earlier versions got, and those asked for now. */
function branchesOf({ replan, policies }: DeltaQuestion): Branch[] {
  const branches = new Map(policies.planner.branches.map((branch) => [branch.id, branch]));
  for (const { kind, branchId, label, rationale, inputs } of replan.plan.nodes)
    if (kind === 'branch' && branchId !== undefined && !branches.has(branchId))
      branches.set(branchId, {
        id: branchId,
        label,
        rationale: rationale[0],
        ...(inputs === undefined ? {} : { inputs }),
      });
  for (const branch of replan.branchRequests ?? []) if (!branches.has(branch.id)) branches.set(branch.id, branch);
  return [...branches.values()];
}

/**
 * Where some branches have their results and others lack them, only the latter are planned: the results of the others are part of
 * the answer, but must not pass for theirs.
 */
function lackingBranches(branches: readonly Branch[], standing: readonly StandingNode[]): Branch[] {
  const ofBranches = standing.filter((node) => node.branchId !== undefined && node.kind !== 'branch');
  const facets = new Set(ofBranches.flatMap((node) => node.writes));
  return branches.filter((branch) =>
    [...facets].some((facet) => !ofBranches.some((node) => node.branchId === branch.id && node.writes.includes(facet))),
  );
}

/**
 * What is done in branches that could stay as they are, but for a node of theirs that failed or has lost its capability: such a
 * branch is done again as a whole, rather than going on without that node.
 */
function brokenBranches({ replan }: DeltaQuestion, { untouched }: Outlook): string[] {
  const plan: PlanGraph = replan.plan;
  const completed = new Set(replan.completed);
  const begun = new Set([...replan.completed, ...replan.running]);
  const excluded = new Set(replan.exclude ?? []);
  const failed = new Set(replan.failed.map((node) => node.nodeId));
  const isBroken = (node: PlanNode): boolean =>
    failed.has(node.id) ||
    (!completed.has(node.id) && node.capabilityId !== undefined && excluded.has(node.capabilityId));
  const broken = new Set(
    plan.nodes.filter(isBroken).flatMap((node) => (untouched.has(node.branchId ?? '') ? [node.branchId] : [])),
  );
  return plan.nodes
    .filter((node) => broken.has(node.branchId) && begun.has(node.id) && node.kind !== 'branch')
    .map((node) => node.id);
}

function groundOf(question: DeltaQuestion, again: ReadonlySet<string>): Outlook {
  const { replan, snapshot, envelope } = question;
  const plan: PlanGraph = replan.plan;
  const completed = new Set(replan.completed);
  const running = new Set(replan.running);
  const excluded = new Set(replan.exclude ?? []);
  const sources = byProvenance(plan);
  const cancelled = new Set<string>();
  const standing: StandingNode[] = [];
  const superseded: StandingNode[] = [];
  const made = new Set(plan.nodes.filter((node) => completed.has(node.id) && node.kind !== 'fallback').flatMap((node) => node.facets.output)); // prettier-ignore
  const had = new Set(replan.available);
  for (const node of plan.nodes) {
    const asStanding: StandingNode = {
      id: node.id,
      kind: node.kind,
      writes: node.facets.output,
      branchId: node.branchId,
    };
    if (again.has(node.id) && running.has(node.id)) cancelled.add(node.id);
    else if (again.has(node.id)) superseded.push(asStanding);
    else if (completed.has(node.id)) {
      // A fallback among the finished has usually been skipped; it counts when nothing else can have made what there is.
      const skipped =
        node.kind === 'fallback' && node.facets.output.some((facet) => made.has(facet) || !had.has(facet));
      if (!skipped) standing.push(asStanding);
    } else if (running.has(node.id)) {
      const outdated = [...(sources.get(node.id) ?? [])].some((id) => again.has(id) || cancelled.has(id));
      const gone = node.capabilityId !== undefined && excluded.has(node.capabilityId);
      const unbranched =
        (replan.branchRequests ?? []).length > 0 && node.kind === 'execution' && node.branchId === undefined;
      if (outdated || gone || unbranched) cancelled.add(node.id);
      else standing.push(asStanding);
    }
  }
  const written = new Set(plan.nodes.flatMap((node) => node.facets.output));
  const inputs = new Set(Object.keys(envelope.inputs ?? {}));
  const available = replan.available.filter(
    (facet) => snapshot.facets.has(facet) && (!written.has(facet) || inputs.has(facet)),
  );
  const reserved = new Set([
    ...plan.nodes.filter((node) => completed.has(node.id) || running.has(node.id)).map((node) => node.id),
    ...replan.failed.map((node) => node.nodeId),
  ]);
  const branches = branchesOf(question);
  const lacking = lackingBranches(branches, standing);
  const partly = lacking.length > 0 && lacking.length < branches.length;
  const planned = new Set((partly ? lacking : branches).map((branch) => branch.id));
  const isBeside = (node: StandingNode): boolean => node.branchId !== undefined && !planned.has(node.branchId);
  return {
    ground: {
      standing: standing.filter((node) => !isBeside(node)),
      superseded,
      beside: standing.filter(isBeside),
      reserved,
      suffix: `:v${replan.baseVersion + 1}`,
    },
    available,
    cancelled,
    branches: partly ? lacking : branches,
    untouched: new Set(branches.filter((branch) => !planned.has(branch.id)).map((branch) => branch.id)),
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
