import type {
  DraftNode,
  OutputComposition,
  PlanEdge,
  PlanMetadata,
  PlannerDraft,
  PlanNode,
  RegistrySnapshot,
} from '@flex/contracts';
import { compileCondition } from '../conditions/compile-condition.js';
import { planOutput } from '../output/plan-output.js';
import { sameJson } from '../delta/same-json.js';
import { capabilityOf, isEngineNode, readsOf } from './capability-use.js';
import { checkBranchRoom } from './check-branch-room.js';
import { checkGoal, plannedSatisfaction } from './check-goal.js';
import { checkLiterals } from './check-literals.js';
import { checkMappingShapes } from './check-mapping-shape.js';
import { checkNodes } from './check-nodes.js';
import { checkBudget, checkPolicies } from './check-policies.js';
import { connectNodes, cycleFound, numberNodes } from './check-structure.js';
import { compileNode, conditionInvalid, type Compilation } from './compile-node.js';
import { envelopeFacets } from './envelope-facets.js';
import { traceFacets } from './facet-flow.js';
import type { Flow, FlowNode } from './flow.js';
import type { Findings } from './findings.js';
import type { BranchText } from './instruction.js';
import { gatherMetadata } from './plan-metadata.js';
import type { PlanningQuestion, PlanOrigin } from './planning-question.js';
import { nodeScorer } from './score-nodes.js';
import { indexSnapshot } from './snapshot-index.js';

export interface CompiledGraph {
  nodes: PlanNode[];
  edges: PlanEdge[];
  output: OutputComposition;
  metadata: PlanMetadata;
}

/** What is already decided about nodes of a plan under way. */
export interface Settled {
  /** Nodes that ran: taken as they are, whatever the registry says by now. */
  done: ReadonlyMap<string, PlanNode>;
  /** Nodes of the version before, to be kept as objects where nothing changes. */
  before: ReadonlyMap<string, PlanNode>;
}

/** The pipeline behind drafts, deltas and edits: judges a whole graph and compiles it as far as it is sound. */
export function compileGraph(
  question: PlanningQuestion,
  draft: PlannerDraft,
  origin: PlanOrigin,
  findings: Findings,
  settled?: Settled,
): CompiledGraph | undefined {
  const { snapshot, envelope, policies } = question;
  const numbers = numberNodes(draft, findings);
  const edges = connectNodes(draft, numbers, findings);
  const open = (node: DraftNode): boolean => settled?.done.has(node.id) !== true;
  const available = new Set([...envelopeFacets(envelope, snapshot).keys(), ...(question.available ?? [])]);
  const derived = new Set(
    draft.nodes.flatMap((node) => (isEngineNode(node) && node.mapping !== undefined ? node.outputFacets : [])),
  );
  checkMappingShapes(draft.nodes, envelope.outputContract, snapshot, open, findings);
  checkLiterals(draft.nodes, settled === undefined ? policies.planner.branches : [], snapshot, open, findings);
  checkNodes(draft.nodes, snapshot, new Set([...available, ...derived]), open, findings);
  if (numbers.size !== draft.nodes.length || draft.nodes.length === 0) return undefined;

  const branches = new Map(
    [...(draft.branchRequests ?? []), ...policies.planner.branches].map((each) => [each.id, each]),
  );
  const nodes = draft.nodes.map((node) => ({ ...flowNode(node, branches, snapshot), started: !open(node) }));
  const { ancestors } = indexSnapshot(snapshot);
  const output = planOutput(envelope.outputContract, {
    snapshot,
    written: draft.nodes.flatMap((node) => node.outputFacets),
    derived,
    available,
    ancestors,
    unread: unreadFacets(nodes, ancestors),
  });
  const flow = traceFacets({ nodes, edges, available, ancestors, goals: output.goals });
  if ('cycle' in flow) {
    cycleFound(
      flow.cycle.map((number) => draft.nodes[number]!.id),
      findings,
    );
    for (const found of output.diagnostics) findings.add(found);
    return undefined;
  }
  reportUnavailable(draft, flow, question, findings, open);
  for (const found of output.diagnostics) findings.add(suggestProducer(found, question));
  const written = new Set(draft.nodes.flatMap((node) => node.outputFacets).flatMap((facet) => ancestors(facet)));
  const canHave = (facet: string): boolean =>
    written.has(facet) || available.has(facet) || [...available].some((name) => ancestors(name).includes(facet));
  const { longest, deepest, slowestMs } = measure(draft, flow, question);
  checkBranchRoom(draft.nodes, flow.sources, question, open, findings);
  checkPolicies(draft, policies, snapshot, { longest, deepest }, findings);
  checkGoal(envelope, canHave, findings);
  // While the answer is open nobody can tell what is of no use.
  if (output.diagnostics.length === 0) reportUnused(draft, flow, output.goals, question, findings, open);
  checkBudget(draft, policies, snapshot, slowestMs, findings);

  const read = new Set([...nodes.flatMap((node) => [...node.required, ...node.optional]), ...output.goals]);
  const compilation: Compilation = {
    question,
    origin,
    findings,
    branches,
    score: nodeScorer(question, (facet) => ancestors(facet).some((name) => read.has(name)), canHave),
  };
  const planNodes = nodes.map((node, number) => {
    const { id } = node.draft;
    const before = settled?.before.get(id);
    if (settled?.done.has(id)) return before!;
    const sources = flow.sources[number]!;
    const same = before !== undefined && before.draft === node.draft && sameJson(before.provenance, sources);
    // A node about which nothing changes stays as it was compiled: a newer registry is no reason to touch it.
    return same ? before : compileNode(node, number, capabilityOf(node.draft, snapshot), sources, compilation);
  });
  return {
    nodes: planNodes,
    edges: compileEdges(draft, flow, findings),
    output: { ...output.composition, sources: flow.goalSources },
    metadata: gatherMetadata(question, draft, planNodes, origin, longest, plannedSatisfaction(envelope, canHave)),
  };
}

function flowNode(draft: DraftNode, branches: ReadonlyMap<string, BranchText>, snapshot: RegistrySnapshot): FlowNode {
  const branch = draft.branchId === undefined ? undefined : branches.get(draft.branchId);
  const literals = new Set([...Object.keys(branch?.inputs ?? {}), ...Object.keys(draft.inputs ?? {})]);
  return { draft, ...readsOf(draft, capabilityOf(draft, snapshot)), literals };
}

/** Facets that nobody in the plan reads, in the order in which they are written. */
function unreadFacets(nodes: readonly FlowNode[], ancestors: (facet: string) => readonly string[]): string[] {
  const read = new Set(nodes.flatMap((node) => [...node.required, ...node.optional]));
  return nodes
    .flatMap(({ draft }) => draft.outputFacets)
    .filter((facet) => !ancestors(facet).some((name) => read.has(name)));
}

function reportUnavailable(
  draft: PlannerDraft,
  flow: Flow,
  question: PlanningQuestion,
  findings: Findings,
  open: (node: DraftNode) => boolean,
): void {
  flow.unavailable.forEach((facets, number) => {
    const node = draft.nodes[number]!;
    if (!open(node)) return;
    for (const facet of facets) {
      const before = {
        code: 'INPUT_FACET_UNAVAILABLE',
        severity: 'error',
        message: `${node.id} needs ${facet}, which neither the envelope nor a node before it provides`,
        nodeId: node.id,
        facet,
        pointer: `/nodes/${number}/inputFacets`,
      } as const;
      findings.add(suggestProducer(before, question));
    }
  });
}

/** More of them would only repeat that the draft is not minimal. */
const UNUSED_TOLD = 10;

/** Work of which nothing comes: nobody reads it, nothing waits for it, no policy asks for it. */
function reportUnused(
  draft: PlannerDraft,
  flow: Flow,
  goals: readonly string[],
  { policies }: PlanningQuestion,
  findings: Findings,
  open: (node: DraftNode) => boolean,
): void {
  const wanted = new Set(goals);
  const required = new Set(policies.planner.selection.require);
  const isUnused = (node: DraftNode, number: number): boolean =>
    (node.kind === 'structuring' || node.kind === 'execution' || node.kind === 'transformation') &&
    open(node) &&
    flow.graph.outgoing[number]!.length === 0 &&
    !node.outputFacets.some((facet) => wanted.has(facet)) &&
    !required.has(node.capabilityId ?? '');
  draft.nodes
    .filter(isUnused)
    .slice(0, UNUSED_TOLD)
    .forEach((node) => {
      findings.inform('NODE_UNUSED', `Nothing in the plan uses what ${node.id} does`, {
        nodeId: node.id,
        suggestion: `Leave ${node.id} out, or let a node read what it writes`,
      });
    });
}

/** Names who could provide a missing facet. */
function suggestProducer<T extends { facet?: string; suggestion?: string }>(
  found: T,
  { snapshot, policies }: PlanningQuestion,
): T {
  if (found.facet === undefined || found.suggestion !== undefined || !snapshot.facets.has(found.facet)) return found;
  const forbidden = new Set(policies.planner.selection.forbid);
  const able = indexSnapshot(snapshot)
    .producers(found.facet)
    .filter((capability) => !forbidden.has(capability.capabilityId))
    .slice(0, 3)
    .map((capability) => capability.capabilityId);
  return {
    ...found,
    suggestion:
      able.length > 0
        ? `${able.join(' or ')} would provide it`
        : `No registered capability provides ${found.facet}; give it as input`,
  };
}

function measure(
  draft: PlannerDraft,
  flow: Flow,
  { snapshot }: PlanningQuestion,
): { longest: number; deepest?: string; slowestMs: number } {
  let longest = 0;
  let deepest: string | undefined;
  const finish = new Float64Array(draft.nodes.length);
  let slowestMs = 0;
  for (const number of flow.order) {
    if (flow.depth[number]! > longest) {
      longest = flow.depth[number]!;
      deepest = draft.nodes[number]!.id;
    }
    finish[number] = finish[number]! + (capabilityOf(draft.nodes[number]!, snapshot)?.cost?.estimatedMs ?? 0);
    slowestMs = Math.max(slowestMs, finish[number]!);
    for (const next of flow.graph.outgoing[number]!) finish[next] = Math.max(finish[next]!, finish[number]!);
  }
  return { longest, deepest, slowestMs };
}

function compileEdges(draft: PlannerDraft, flow: Flow, findings: Findings): PlanEdge[] {
  return flow.edges.map(({ from, to, facets, condition }) => {
    const edge: PlanEdge = { from: draft.nodes[from]!.id, to: draft.nodes[to]!.id, facets };
    if (condition === undefined) return edge;
    const compiled = compileCondition(condition);
    if (compiled.ok) return { ...edge, condition: compiled.logic };
    const at = draft.edges!.findIndex((other) => other.from === edge.from && other.to === edge.to);
    conditionInvalid(compiled, condition, `/edges/${at}/condition`, edge.to, findings);
    return edge;
  });
}
