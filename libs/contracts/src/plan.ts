import type { JsonLogic } from './condition.js';
import type { DraftNode, PlanDelta, PlannerDraft, RetryPolicy } from './draft.js';
import type { Mapping } from './mapping.js';
import type { Json, JsonSchema } from './schema.js';
import type { NodeKind } from './policy.js';
import { Open, Positive, Type } from './schema.js';

/** How a capability scored for one node, 0..1 per criterion before weights. */
export interface ScoreBreakdown {
  facetAlignment: number;
  language: number;
  channel: number;
  contentType: number;
  cost: number;
  strengths: number;
  health: number;
}

/** Why this capability: kept on the node so that anyone can ask later. */
export interface Selection {
  score: number;
  breakdown: ScoreBreakdown;
  threshold: number;
  runnersUp: { capabilityId: string; score: number; breakdown?: ScoreBreakdown; reason?: string }[];
}

/** Where a facet that a node reads comes from. */
export interface FacetSource {
  /** The facet as the node reads it. */
  facet: string;
  source: 'envelope' | 'node' | 'branch';
  /** The producing node, when `source` is `node`. */
  nodeId?: string;
  /** The facet as the producer wrote it, when it is a specialisation of `facet`. */
  as?: string;
  /**
   * Several sources of one facet join (parallel branches), except that this one, which may not run, replaces the
   * values of these nodes when it did.
   */
  over?: string[];
}

/**
 * A node of a plan. Engine nodes (branch, routing, and transformation with a `mapping`) are executed by the
 * orchestrator itself; a fallback node goes to its `fallback` capabilities and then to a person; all others go to
 * the worker of `capabilityId`.
 */
export interface PlanNode {
  /** Stable across versions, never derived from position. */
  id: string;
  kind: NodeKind;
  capabilityId?: string;
  /** Bus key of the capability (`libs/contracts/subject.ts`); present when a worker executes the node. */
  capabilityKey?: string;
  agentType?: 'ai' | 'human';
  derivedFrom?: string;
  /** Share of the wanted facets that a derived capability covers, 0..1. */
  coverage?: number;
  label: string;
  /** `keys`: the property of the compiled schemas under which a facet appears, where that is not its name. */
  facets: { input: string[]; optional?: string[]; output: string[]; keys?: Record<string, string> };
  inputSchema: JsonSchema;
  outputSchema: JsonSchema;
  instruction: string;
  /** Literal inputs of this node (a branch's own), over the run's. */
  inputs?: Record<string, Json>;
  provenance: FacetSource[];
  rationale: string[];
  selection?: Selection;
  /** Ids of the runtime policies that can match this node: its completion waits for their verdict. */
  policyHooks: string[];
  retry: Required<RetryPolicy>;
  timeoutMs: number;
  /** Capabilities to try, in order, when the chosen one has failed for good. */
  fallback: string[];
  mapping?: Record<string, Mapping>;
  routes?: { to: string; condition?: JsonLogic }[];
  branchId?: string;
  assignment?: import('./capability.js').Assignment;
  preConditions?: { facet: string; pointer?: string; condition: JsonLogic; description?: string }[];
  postConditions?: { facet: string; pointer?: string; condition: JsonLogic; description?: string }[];
  /** Estimates, for budgets and for planned against actual. */
  estimate?: { tokens?: number; cost?: number; ms?: number };
  /** The draft node that it was compiled from: what an edit starts from. */
  draft: DraftNode;
}

export interface PlanEdge {
  from: string;
  to: string;
  /** Facets carried; empty for an edge that is order only. */
  facets: string[];
  condition?: JsonLogic;
}

/** Why a version exists. */
export interface PlanCause {
  kind:
    | 'initial'
    | 'policy'
    | 'hitl'
    | 'capability_lost'
    | 'goal_condition'
    | 'retries_exhausted'
    | 'signal'
    | 'operator'
    | 'branch'
    | 'review';
  /** Log sequence of the event that triggered it. */
  seq?: number;
  policyId?: string;
  taskId?: string;
  nodeId?: string;
  rationale?: string;
}

/** How the final answer is made of the run's facets. */
export interface OutputComposition {
  mode: 'json_schema' | 'facets' | 'freeform';
  /** What the composed value is validated against. */
  schema: JsonSchema;
  mapping: Mapping;
  /** Where the facets come from that the mapping reads; alternatives and branches as in a node's provenance. */
  sources?: FacetSource[];
}

export interface PlanMetadata {
  registryRevision: number;
  score?: number;
  /** Share of the soft constraints that hold, 0..1. */
  satisfaction?: number;
  branches: { id: string; label: string; rationale?: string }[];
  derived: string[];
  fallbacks: { nodeId: string; facets: string[]; reason: string; suggestion?: string }[];
  normalizationInjected: boolean;
  planner: {
    runtime: string;
    provider?: string;
    model?: string;
    usage?: { inputTokens?: number; outputTokens?: number; cost?: number };
  };
  attempts: number;
  proven?: boolean;
  depth: number;
}

/** Immutable: a version is never changed, only followed by the next. */
export interface PlanGraph {
  runId: string;
  version: number;
  versionTag: string;
  parentVersion?: number;
  cause: PlanCause;
  nodes: PlanNode[];
  edges: PlanEdge[];
  output: OutputComposition;
  metadata: PlanMetadata;
}

/** A delta after validation: nodes compiled, ready to be merged into its base version. */
export interface CompiledDelta {
  baseVersion: number;
  addNodes: PlanNode[];
  replaceNodes: PlanNode[];
  removeNodes: string[];
  cancelNodes: string[];
  addEdges: PlanEdge[];
  removeEdges: { from: string; to: string }[];
  output?: OutputComposition;
  metadata: PlanMetadata;
}

export interface PlanDiff {
  added: string[];
  removed: string[];
  changed: string[];
  edgesAdded: { from: string; to: string }[];
  edgesRemoved: { from: string; to: string }[];
}

export const nodeStatuses = [
  'pending',
  'ready',
  'running',
  'awaiting_human',
  'completed',
  'failed',
  'skipped',
  'cancelled',
] as const;
export type NodeStatus = (typeof nodeStatuses)[number];

export const runStatuses = [
  'submitted',
  'planning',
  'awaiting_review',
  'running',
  'replanning',
  'paused',
  'awaiting_human',
  'completed',
  'failed',
  'cancelled',
] as const;
export type RunStatus = (typeof runStatuses)[number];

/** Stored loosely: a plan is compiled by us, validated when made, and read by every later version of the code. */
export const PlanGraphSchema = Type.Unsafe<PlanGraph>({
  $id: 'flex:PlanGraph',
  ...Open({
    runId: Type.String(),
    version: Positive,
    versionTag: Type.String(),
    parentVersion: Type.Optional(Positive),
    cause: Open({ kind: Type.String() }),
    nodes: Type.Array(Open({ id: Type.String(), kind: Type.String(), label: Type.String() })),
    edges: Type.Array(Open({ from: Type.String(), to: Type.String(), facets: Type.Array(Type.String()) })),
    output: Open({ mode: Type.String() }),
    metadata: Open({ registryRevision: Type.Integer() }),
  }),
});

export const CompiledDeltaSchema = Type.Unsafe<CompiledDelta>(
  Open({
    baseVersion: Positive,
    addNodes: Type.Array(Open({ id: Type.String() })),
    replaceNodes: Type.Array(Open({ id: Type.String() })),
    removeNodes: Type.Array(Type.String()),
    cancelNodes: Type.Array(Type.String()),
    addEdges: Type.Array(Open({ from: Type.String(), to: Type.String() })),
    removeEdges: Type.Array(Open({ from: Type.String(), to: Type.String() })),
    metadata: Open({ registryRevision: Type.Integer() }),
  }),
);

export type { PlanDelta, PlannerDraft };
