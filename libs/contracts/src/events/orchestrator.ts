import { Constraint, OutputContract } from '../envelope.js';
import { DeltaOperation, PlanDelta, PlannerDraft } from '../draft.js';
import { CompiledDeltaSchema, PlanGraphSchema, type PlanCause, type PlanDiff } from '../plan.js';
import { triggerKinds, type NormalizedPolicies, type NormalizedRuntimePolicy } from '../policy.js';
import { Enum, JsonObject, JsonSchemaValue, JsonValue, Open, Positive, Type, Uint, type Static } from '../schema.js';
import { event } from './define.js';
import { accepted, Acceptance, by, Chain, Diagnostics, Failure, FacetValues, Issues, Task, Usage } from './parts.js';

const Cause = Type.Unsafe<PlanCause>(Open({ kind: Type.String() }));

/** What a planner needs to revise a plan that is already under way. */
const ReplanContext = Open({
  baseVersion: Positive,
  plan: PlanGraphSchema,
  completed: Type.Array(Type.String()),
  running: Type.Array(Type.String()),
  failed: Type.Array(
    Open({ nodeId: Type.String(), capabilityId: Type.Optional(Type.String()), message: Type.String() }),
  ),
  /** Facets that the run has by now. */
  available: Type.Array(Type.String()),
  /** Values that the reason for replanning refers to: the policy's facets, a person's answer, requested branches. */
  values: Type.Optional(FacetValues),
  branchRequests: Type.Optional(PlannerDraft.properties.branchRequests),
  /** Capabilities not to be used again in this run. */
  exclude: Type.Optional(Type.Array(Type.String())),
});

/** A step that may follow another in the same worker; the members that it lacks are those of the dispatch it comes with. */
const NextStep = Open({
  nodeId: Type.String(),
  attempt: Positive,
  /** Of another capability, and the bus key that it is reported under: for a worker that serves both. */
  capabilityId: Type.Optional(Type.String()),
  key: Type.Optional(Type.String()),
  kind: Type.String(),
  label: Type.Optional(Type.String()),
  inputs: FacetValues,
  /** Inputs that steps before it in this dispatch make: name -> node and facet. */
  take: Type.Optional(Type.Record(Type.String(), Open({ nodeId: Type.String(), facet: Type.String() }))),
  provenance: Type.Optional(Type.Record(Type.String(), Type.String())),
  outputFacets: Type.Array(Type.String()),
  outputSchema: Type.Optional(JsonSchemaValue),
  instruction: Type.Optional(Type.String()),
  timeoutMs: Positive,
  idempotencyKey: Type.String(),
});
export type NextStep = Static<typeof NextStep>;

export const orchestratorEvents = {
  'partition.claimed': event({
    version: 1,
    by: 'orchestrator',
    meaning: 'A replica took over a partition; decisions of the owners before it are refused from here on.',
    data: Open({ owner: Type.String(), previous: Uint }),
  }),
  'plan.requested': event({
    version: 1,
    by: 'orchestrator',
    meaning: 'The run needs a plan, or a new version of it; carries the findings of the attempt before.',
    data: Open({
      requestId: Type.String(),
      attempt: Positive,
      phase: Enum(['initial', 'replan'] as const),
      tenant: Type.String(),
      objective: Type.String(),
      inputs: Type.Optional(JsonObject),
      constraints: Type.Optional(JsonObject),
      outputContract: OutputContract,
      specialInstructions: Type.Optional(Type.Array(Type.String())),
      goalConditions: Type.Optional(
        Type.Array(Type.Unsafe<import('../capability.js').FacetCondition>({ type: 'object' })),
      ),
      /** The envelope's labels: a channel or language stated there counts in selection. */
      labels: Type.Optional(Type.Record(Type.String(), Type.String())),
      policies: Type.Unsafe<NormalizedPolicies>({ type: 'object' }),
      dynamic: Type.Boolean(),
      hybrid: Type.Boolean(),
      /** Model attempts are used up: the deterministic plan has to stand in. */
      deterministicOnly: Type.Optional(Type.Boolean()),
      registry: Open({ revision: Uint, capabilities: Type.Array(Type.String()), facets: Type.Array(Type.String()) }),
      diagnostics: Diagnostics,
      cause: Cause,
      replan: Type.Optional(ReplanContext),
      correlationId: Type.String(),
      accepted,
    }),
  }),
  'plan.rejected': event({
    version: 1,
    by: 'orchestrator',
    meaning: 'A draft broke a rule; it is kept, with what was found.',
    data: Open({
      requestId: Type.String(),
      attempt: Positive,
      phase: Enum(['initial', 'replan', 'review', 'edit'] as const),
      diagnostics: Diagnostics,
      draft: Type.Optional(PlannerDraft),
      delta: Type.Optional(PlanDelta),
      operations: Type.Optional(Type.Array(DeltaOperation)),
      usage: Type.Optional(Usage),
    }),
  }),
  'plan.generated': event({
    version: 1,
    by: 'orchestrator',
    meaning: 'Version 1 of the plan is validated and compiled.',
    data: Open({
      requestId: Type.Optional(Type.String()),
      attempt: Uint,
      plan: PlanGraphSchema,
      policies: Type.Optional(Type.Unsafe<NormalizedPolicies>({ type: 'object' })),
      diagnostics: Type.Optional(Diagnostics),
      usage: Type.Optional(Usage),
    }),
  }),
  'plan.updated': event({
    version: 1,
    by: 'orchestrator',
    meaning: 'The next version of the plan: the delta is validated and merged; finished nodes are unchanged.',
    data: Open({
      requestId: Type.Optional(Type.String()),
      attempt: Uint,
      previousVersion: Positive,
      version: Positive,
      versionTag: Type.String(),
      delta: CompiledDeltaSchema,
      diff: Type.Unsafe<PlanDiff>({ type: 'object' }),
      cause: Cause,
      diagnostics: Type.Optional(Diagnostics),
      usage: Type.Optional(Usage),
    }),
  }),
  'plan.fallback_chosen': event({
    version: 1,
    by: 'orchestrator',
    meaning: 'A node gave up on its capability and goes on with the next one, or with a person.',
    data: Open({
      nodeId: Type.String(),
      from: Type.Optional(Type.String()),
      to: Type.Optional(Type.String({ description: 'Capability tried next; absent when a person is asked' })),
      standIn: Type.Optional(Type.String({ description: 'Node of the plan that takes over' })),
      facets: Type.Array(Type.String()),
      reason: Type.String(),
    }),
  }),
  'node.dispatched': event({
    version: 1,
    by: 'orchestrator',
    keyed: true,
    meaning: 'A node may start: its work item for the workers of its capability.',
    data: Open({
      nodeId: Type.String(),
      attempt: Positive,
      planVersion: Positive,
      capabilityId: Type.String(),
      kind: Type.String(),
      label: Type.Optional(Type.String()),
      inputs: FacetValues,
      /** Input facet -> where it came from: `envelope`, or the producing node. */
      provenance: Type.Optional(Type.Record(Type.String(), Type.String())),
      outputFacets: Type.Array(Type.String()),
      outputSchema: Type.Optional(JsonSchemaValue),
      instruction: Type.Optional(Type.String()),
      timeoutMs: Positive,
      /** The same for every delivery of this attempt. */
      idempotencyKey: Type.String(),
      tenant: Type.Optional(Type.String()),
      correlationId: Type.Optional(Type.String()),
      /**
       * Steps that the worker may go on with by itself, in this order, as long as it serves them, each succeeds and all
       * together are quick. A worker that does not know of them reports the first, and the others are sent one by one.
       */
      next: Type.Optional(Type.Array(NextStep)),
      accepted,
    }),
  }),
  'node.completed': event({
    version: 1,
    by: 'orchestrator',
    meaning: 'Results were checked and taken over, and nothing else followed from them at once.',
    data: Open({ accepted: Type.Array(Acceptance) }),
  }),
  'node.failed': event({
    version: 1,
    by: 'orchestrator',
    meaning: 'An attempt failed; either it is tried again at `retryAt`, or the node has failed for good.',
    data: Open({
      nodeId: Type.String(),
      attempt: Uint,
      error: Failure,
      retryAt: Type.Optional(Uint),
      final: Type.Boolean(),
      accepted,
    }),
  }),
  'node.skipped': event({
    version: 1,
    by: 'orchestrator',
    meaning: 'Nodes will not run: a route was not taken, or what they need cannot come any more.',
    data: Open({ nodes: Type.Array(Open({ nodeId: Type.String(), reason: Type.String() })), accepted }),
  }),
  'node.cancelled': event({
    version: 1,
    by: 'orchestrator',
    meaning: 'Work in flight is no longer wanted; its late result is ignored.',
    data: Open({ nodes: Type.Array(Open({ nodeId: Type.String(), attempt: Uint, reason: Type.String() })) }),
  }),
  'validation.failed': event({
    version: 1,
    by: 'orchestrator',
    meaning: "Data broke its compiled schema: a node output, a person's answer, or the final output.",
    data: Open({
      scope: Enum(['node_input', 'node_output', 'answer', 'output', 'constraint'] as const),
      nodeId: Type.Optional(Type.String()),
      attempt: Type.Optional(Uint),
      taskId: Type.Optional(Type.String()),
      issues: Issues,
    }),
  }),
  'goal.failed': event({
    version: 1,
    by: 'orchestrator',
    meaning: 'All nodes are done, but a goal condition does not hold.',
    data: Open({
      conditions: Type.Array(
        Open({ facet: Type.String(), pointer: Type.Optional(Type.String()), message: Type.String() }),
      ),
      accepted,
    }),
  }),
  'policy.requested': event({
    version: 1,
    by: 'orchestrator',
    meaning: 'Something happened that policies of the run can match; the run waits for the verdict.',
    data: Open({
      requestId: Type.String(),
      occasion: Enum(triggerKinds),
      nodeId: Type.Optional(Type.String()),
      node: Type.Optional(Open({ id: Type.String(), kind: Type.String(), capabilityId: Type.Optional(Type.String()) })),
      policies: Type.Array(Type.Unsafe<NormalizedRuntimePolicy>({ type: 'object' })),
      /** What the conditions read: `facets`, `node` (output, status, attempt, durationMs), `metrics`, `run`. */
      context: JsonObject,
      accepted,
    }),
  }),
  'policy.acted': event({
    version: 1,
    by: 'orchestrator',
    meaning: 'The action of a policy was carried out, or refused because its budget is used up.',
    data: Open({
      requestId: Type.Optional(Type.String()),
      policyId: Type.String(),
      /** Sequence of the verdict or answer that asked for it. */
      trigger: Type.Optional(Uint),
      action: Type.String(),
      done: Type.Boolean(),
      reason: Type.Optional(Type.String()),
      event: Type.Optional(Type.String()),
      payload: Type.Optional(JsonValue),
      goto: Type.Optional(Open({ next: Type.String(), nodes: Type.Array(Type.String()) })),
    }),
  }),
  'hitl.requested': event({
    version: 1,
    by: 'orchestrator',
    meaning: 'A person is asked.',
    data: Open({ task: Task, accepted }),
  }),
  'hitl.reminded': event({
    version: 1,
    by: 'orchestrator',
    meaning: 'A task is about to be late.',
    data: Open({ taskId: Type.String(), dueAt: Type.Optional(Uint) }),
  }),
  'hitl.closed': event({
    version: 1,
    by: 'orchestrator',
    meaning: 'A task needs no answer any more: answered and taken over, out of time, or overtaken by events.',
    data: Open({
      taskId: Type.String(),
      outcome: Enum(['answered', 'timed_out', 'declined', 'withdrawn', 'invalid'] as const),
      resolution: Type.Optional(Type.String()),
      reason: Type.Optional(Type.String()),
      issues: Type.Optional(Issues),
      by,
    }),
  }),
  'run.capability_lost': event({
    version: 1,
    by: 'orchestrator',
    meaning: 'A capability that nodes of the plan still need went out of service.',
    data: Open({ capabilityId: Type.String(), nodes: Type.Array(Type.String()) }),
  }),
  'run.paused': event({
    version: 1,
    by: 'orchestrator',
    meaning: 'Nothing new starts until somebody resumes the run.',
    data: Open({
      reason: Type.Optional(Type.String()),
      policyId: Type.Optional(Type.String()),
      trigger: Type.Optional(Uint),
      by,
    }),
  }),
  'run.resumed': event({
    version: 1,
    by: 'orchestrator',
    meaning: 'The run goes on at its latest plan version.',
    data: Open({ planVersion: Type.Optional(Positive), by }),
  }),
  'run.completed': event({
    version: 1,
    by: 'orchestrator',
    meaning: 'The output is composed and validated against the contract.',
    data: Open({
      output: JsonValue,
      satisfaction: Type.Optional(Type.Number()),
      constraints: Type.Optional(Type.Array(Type.Composite([Constraint, Open({ holds: Type.Boolean() })]))),
      accepted,
      chain: Type.Optional(Chain),
    }),
  }),
  'run.failed': event({
    version: 1,
    by: 'orchestrator',
    meaning: 'The run cannot reach its goal; the error says why.',
    data: Open({ error: Failure, accepted, chain: Type.Optional(Chain) }),
  }),
  'run.cancelled': event({
    version: 1,
    by: 'orchestrator',
    meaning: 'The run was ended by request.',
    data: Open({ reason: Type.Optional(Type.String()), by, chain: Type.Optional(Chain) }),
  }),
  'timer.set': event({
    version: 1,
    by: 'orchestrator',
    meaning: 'The run wants to be looked at again at this time; the server keeps the schedule.',
    data: Open({ at: Uint }),
  }),
} as const;

export const serverEvents = {
  'timer.fired': event({
    version: 1,
    by: 'server',
    meaning: 'The time of a timer has come.',
    data: Open({ at: Uint }),
  }),
} as const;
