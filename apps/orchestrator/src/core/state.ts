import type {
  EventData,
  Failure,
  FacetValues,
  HumanTask,
  Json,
  NormalizedPolicies,
  PlanCause,
  PlanDelta,
  PlannerDiagnostic,
  PlannerDraft,
  PlanGraph,
  PlanNode,
  Selection,
  StepResult,
  TaskAnswer,
  TaskEnvelope,
  TriggerKind,
  Usage,
} from '@flex/contracts';

/** How far one node of the current plan is. */
export interface NodeRun {
  status: 'pending' | 'running' | 'retrying' | 'awaiting_human' | 'completed' | 'failed' | 'skipped' | 'cancelled';
  /** Last attempt that was started; rises over the whole run, so that attempts never share a name. */
  attempt: number;
  /** Attempts with the current candidate. */
  tries: number;
  /** 0: the capability of the plan; n: its n-th fallback; beyond them: a person. */
  candidate: number;
  /** Incoming edges that are not decided yet. */
  unmet: number;
  /** Incoming edges that were decided and taken; of them those with a guard: a condition, or a route to choose. */
  taken: number;
  passed: number;
  /** Failed for good, and another node stands in for it. */
  replaced?: boolean;
  /** Bus key that the current attempt was dispatched under. */
  key?: string;
  /** Steps that its worker may go on with, as named by the dispatch under that version of the plan. */
  next?: { version: number; steps: { nodeId: string; attempt: number; key: string | undefined }[] };
  /** Attempt that its worker did go on with. */
  ranOn?: Place;
  /** Named by the dispatch of a step before: what may be reported of it by whom. */
  named?: { attempt: number; key: string | undefined };
  /** That report, come before the one that leads to it, and what its worker went on with. */
  early?: { result: StepResult; then?: Place };
  startedAt?: number;
  deadline?: number;
  retryAt?: number;
  /** onTimeout policies that were already asked about the current attempt. */
  asked?: string[];
  /** A worker's word, not yet judged. */
  report?: {
    outputs?: FacetValues;
    error?: Failure;
    durationMs?: number;
    usage?: Usage;
    metrics?: Record<string, number>;
  };
  /** What was accepted, by facet. */
  outputs?: FacetValues;
  durationMs?: number;
  taskId?: string;
  /** People: how often it was asked for before, and whether it goes to the next higher role now. */
  round?: number;
  escalate?: boolean;
  /** The report was found to break its schema. */
  judged?: { pointer: string; message: string }[];
  /** Verdict that its successors wait for. */
  gate?: string;
  error?: Failure;
}

/**
 * The last attempt of a node that has a name. A name stands for the same inputs for ever: a step that was named by the
 * dispatch of an attempt which failed gets another one with the next.
 */
export const namedSoFar = ({ attempt, named }: NodeRun): number => Math.max(attempt, named?.attempt ?? 0);

/** A step that a worker went on with; `follows`: it is done as well, and its report is right behind. */
export type Place = NonNullable<EventData<'node.reported'>['at']>;

/** A question to the planner that is open. */
export interface Planning {
  requestId: string;
  phase: 'initial' | 'replan';
  attempt: number;
  cause: PlanCause;
  deadline?: number;
  deterministicOnly: boolean;
  diagnostics: PlannerDiagnostic[];
  /** What the reason for a replan refers to. */
  values?: FacetValues;
  branchRequests?: PlannerDraft['branchRequests'];
  /** The planner's answer, not yet judged. */
  answer?:
    | {
        kind: 'draft';
        draft?: PlannerDraft;
        delta?: PlanDelta;
        selections?: Record<string, Selection>;
        /** What the planner has to say beside it: why the model did not draft, fallbacks, an unproven optimum. */
        diagnostics?: PlannerDiagnostic[];
        proven?: boolean;
        usage?: Usage;
      }
    | { kind: 'failed'; reason: string; diagnostics: PlannerDiagnostic[] };
  /** Judged and refused; the next attempt is due. */
  refused?: PlannerDiagnostic[];
  /** Another attempt would only repeat the one that was refused. */
  final?: boolean;
}

/** Something that happened about which policies are asked. */
export interface Verdict {
  occasion: TriggerKind;
  nodeId?: string;
}

export interface OpenTask {
  task: HumanTask;
  askedAt: number;
  reminded?: boolean;
  answer?: TaskAnswer;
}

export type Signal = EventData<'policy.signalled'> & { seq: number };
export type ReplanRequest = { cause: PlanCause; values?: FacetValues; branchRequests?: PlannerDraft['branchRequests'] };
export type Edit = EventData<'run.replan_requested'> & { seq: number; review?: string };
export type TriggeredPolicy = EventData<'policy.triggered'> & { seq: number; taskId?: string };

/**
 * One run, folded from its events. Plain data (structured-cloneable), owned and mutated by `evolve` alone; the sets
 * `ready`, `reported` and `dead` hold what a decision has to look at, so that its cost does not grow with the plan.
 */
export interface RunState {
  runId: string;
  tenant: string;
  correlationId: string;
  /** The trace that the run belongs to: what is decided for it hangs below its submission. */
  traceparent?: string;
  /** Last event folded, and its server time. */
  seq: number;
  time: number;
  submittedAt: number;
  ended?: 'completed' | 'failed' | 'cancelled';
  envelope: TaskEnvelope;
  policies?: NormalizedPolicies;
  refusedPolicies?: PlannerDiagnostic[];
  waitsForThread: boolean;
  plan?: PlanGraph;
  planning?: Planning;
  /** The replan that a person was asked about; `again` when they said to try once more. */
  stuck?: Pick<Planning, 'cause' | 'values' | 'branchRequests'> & { again: boolean };
  review?: { taskId: string; done: boolean };
  nodes: Map<string, NodeRun>;
  /** All edges into it are decided, at least one is taken, and it has not been started. */
  ready: Set<string>;
  /** Reported, not yet judged. */
  reported: Set<string>;
  /** All edges into it are decided, none is taken. */
  dead: Set<string>;
  /** Running or with a person: what deadlines are looked for in. */
  active: Set<string>;
  /** Waiting for their next attempt. */
  retrying: Set<string>;
  /** Failed for good, nothing decided about it yet. */
  fallen: Set<string>;
  /** Finished nodes whose lists may ask for branches, and were not expanded yet. */
  expandable: Set<string>;
  /** Nodes that are neither completed nor skipped nor cancelled. */
  unfinished: number;
  facets: Map<string, { value: Json; from: string[] }>;
  metrics: Record<string, number>;
  verdicts: Map<string, Verdict>;
  /** Asked once: ids of occasions, so that the same one is never asked twice. */
  asked: Set<string>;
  triggered: TriggeredPolicy[];
  signals: Signal[];
  edits: Edit[];
  lost: { capabilityId: string; seq: number; asked?: boolean }[];
  tasks: Map<string, OpenTask>;
  paused?: { reason?: string; policyId?: string };
  pauseRequested?: { reason?: string; by?: string };
  resumeRequested?: { expectedPlanVersion?: number; by?: string };
  cancelRequested?: { reason?: string; by?: string };
  goalFailed?: { seq: number; message: string };
  replans: number;
  planRounds: number;
  escalations: number;
  policyCounts: Record<string, number>;
  excluded: string[];
  budgetLifted: boolean;
  spent: { tokens: number; cost: number; dispatched: number };
  chain: { head: string; count: number };
  /** Lower bound of the next due time; a cache, raised by the shell after it was reached. */
  due: number;
}

/**
 * A copy to fold further while the original stays as it is. What `evolve` changes in place is copied: the collections with
 * their records, and the small objects; what events brought and nobody changes (envelope, plan, values) is shared.
 */
export function copyState(state: RunState): RunState {
  const copy: RunState = {
    ...state,
    metrics: { ...state.metrics },
    policyCounts: { ...state.policyCounts },
    spent: { ...state.spent },
    planning: state.planning && { ...state.planning },
  };
  for (const [name, value] of Object.entries(state)) {
    if (value instanceof Map)
      Object.assign(copy, { [name]: new Map([...value].map(([key, one]) => [key, { ...one }])) });
    else if (value instanceof Set) Object.assign(copy, { [name]: new Set(value) });
    else if (Array.isArray(value)) Object.assign(copy, { [name]: [...value] });
  }
  return copy;
}

export const NEVER = Number.MAX_SAFE_INTEGER;

/** The graph of a plan as the fold walks it; derived from the plan, one per plan object. */
export interface PlanIndex {
  nodes: Map<string, PlanNode>;
  outgoing: Map<string, { to: string; condition?: unknown }[]>;
  incoming: Map<string, string[]>;
  /** Nodes that run only when a guarded edge into them is taken. */
  guarded: Set<string>;
}

const indexes = new WeakMap<PlanGraph, PlanIndex>();

export function indexOf(plan: PlanGraph): PlanIndex {
  let index = indexes.get(plan);
  if (!index) {
    index = { nodes: new Map(), outgoing: new Map(), incoming: new Map(), guarded: new Set() };
    for (const node of plan.nodes) {
      index.nodes.set(node.id, node);
      index.outgoing.set(node.id, []);
      index.incoming.set(node.id, []);
    }
    for (const edge of plan.edges) {
      index.outgoing.get(edge.from)?.push({ to: edge.to, condition: edge.condition });
      index.incoming.get(edge.to)?.push(edge.from);
      if (edge.condition !== undefined || index.nodes.get(edge.from)?.routes) index.guarded.add(edge.to);
    }
    indexes.set(plan, index);
  }
  return index;
}

export const nodeOf = (state: RunState, nodeId: string): PlanNode | undefined =>
  state.plan && indexOf(state.plan).nodes.get(nodeId);

/** Whether nothing new may be started now. */
export const isHeld = (state: RunState): boolean =>
  !state.plan ||
  state.ended !== undefined ||
  state.planning !== undefined ||
  state.paused !== undefined ||
  (state.review !== undefined && !state.review.done) ||
  state.triggered.length > 0 ||
  asksForTheRun(state);

/**
 * An open approval or escalation holds the whole run, a node's own task only the node. A verdict holds the run too: it
 * may stop it, and nothing must start between a trigger and what follows from it.
 */
export function asksForTheRun(state: RunState): boolean {
  if (state.verdicts.size > 0) return true;
  for (const { task } of state.tasks.values()) if (task.kind === 'approval' || task.kind === 'escalation') return true;
  return false;
}

export type RunStatusWord =
  | 'submitted'
  | 'planning'
  | 'awaiting_review'
  | 'running'
  | 'replanning'
  | 'paused'
  | 'awaiting_human'
  | 'completed'
  | 'failed'
  | 'cancelled';

export function statusOf(state: RunState): RunStatusWord {
  if (state.ended) return state.ended;
  if (state.review && !state.review.done) return 'awaiting_review';
  if (state.paused) return 'paused';
  if (state.verdicts.size === 0 && asksForTheRun(state)) return 'awaiting_human';
  if (state.planning) return state.planning.phase === 'initial' ? 'planning' : 'replanning';
  if (!state.plan) return 'submitted';
  if (state.tasks.size > 0 && state.active.size <= state.tasks.size) return 'awaiting_human';
  return 'running';
}
