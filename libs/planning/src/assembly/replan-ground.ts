import type { Branch, EventData, PlanCause, PlanGraph, PlanNode } from '@flex/contracts';
import { performerOf } from '../validation/performer.js';
import type { AssemblyQuestion } from './assemble.js';
import type { Ground, StandingNode } from './core-steps.js';

/** What the run has done and why it needs another plan, as the orchestrator says it. */
export type ReplanContext = NonNullable<EventData<'plan.requested'>['replan']>;

export interface DeltaQuestion extends Omit<AssemblyQuestion, 'ground' | 'branches' | 'available'> {
  readonly replan: ReplanContext;
  readonly cause: PlanCause;
}

const byProvenance = (plan: PlanGraph): Map<string, Set<string>> =>
  new Map(plan.nodes.map((node) => [node.id, new Set(node.provenance.flatMap((source) => source.nodeId ?? []))]));

/** Causes that blame work which is done; after the others what is done stays done. */
const BLAMING = new Set<PlanCause['kind']>(['policy', 'hitl', 'goal_condition', 'signal', 'operator']);

/**
 * Finished nodes whose work has to be done again: the blamed one, for a check what it checked, and everything made from that. When
 * branches are asked for, the unbranched work that they take the place of.
 */
export function nodesToRepeat({ replan, cause, envelope, policies }: DeltaQuestion): Set<string> {
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
export interface Outlook {
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
 * What is done in branches that could stay as they are, but for a node of theirs that failed, has lost its capability or is called
 * off: such a branch is done again as a whole, rather than going on without that node.
 */
export function brokenBranches({ replan }: DeltaQuestion, { untouched, cancelled }: Outlook): string[] {
  const plan: PlanGraph = replan.plan;
  const completed = new Set(replan.completed);
  const begun = new Set([...replan.completed, ...replan.running]);
  const excluded = new Set(replan.exclude ?? []);
  const failed = new Set(replan.failed.map((node) => node.nodeId));
  const isBroken = (node: PlanNode): boolean =>
    failed.has(node.id) || cancelled.has(node.id) || (!completed.has(node.id) && excluded.has(performerOf(node) ?? ''));
  const broken = new Set(
    plan.nodes.filter(isBroken).flatMap((node) => (untouched.has(node.branchId ?? '') ? [node.branchId] : [])),
  );
  return plan.nodes
    .filter((node) => broken.has(node.branchId) && begun.has(node.id) && node.kind !== 'branch')
    .map((node) => node.id);
}

export function groundOf(question: DeltaQuestion, again: ReadonlySet<string>): Outlook {
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
      const gone = excluded.has(performerOf(node) ?? '');
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
