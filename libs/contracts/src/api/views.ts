import { ValidationIssue, PlannerDiagnostic } from '../diagnostic.js';
import { nodeStatuses, PlanGraphSchema, runStatuses } from '../plan.js';
import { Facet } from '../facet.js';
import { Capability } from '../capability.js';
import { Failure, FacetValues, Usage } from '../events/parts.js';
import { Enum, JsonObject, JsonSchemaValue, JsonValue, Open, Positive, Type, Uint, type Static } from '../schema.js';

/** What the gateway answers. Open: clients must tolerate members that they do not know. */

const Time = Type.String({ description: 'RFC 3339, server time', format: 'date-time' });

export const ProblemView = Open(
  {
    type: Type.String(),
    title: Type.String(),
    status: Type.Integer({ minimum: 400, maximum: 599 }),
    code: Type.String({ description: 'Stable, for programs' }),
    detail: Type.Optional(Type.String()),
    instance: Type.Optional(Type.String({ description: 'The request: its X-Request-Id' })),
    errors: Type.Optional(Type.Array(ValidationIssue)),
    diagnostics: Type.Optional(Type.Array(PlannerDiagnostic)),
    extensions: Type.Optional(Type.Unsafe<Record<string, unknown>>({ type: 'object' })),
  },
  { $id: 'flex:Problem', description: 'RFC 9457 problem details' },
);

export const NodeStateView = Open({
  status: Enum(nodeStatuses),
  attempt: Uint,
  capabilityId: Type.Optional(Type.String()),
  kind: Type.Optional(Type.String()),
  label: Type.Optional(Type.String()),
  startedAt: Type.Optional(Time),
  endedAt: Type.Optional(Time),
  durationMs: Type.Optional(Uint),
  usage: Type.Optional(Usage),
  error: Type.Optional(Failure),
});
export type NodeStateView = Static<typeof NodeStateView>;

/** A run in a list. */
export const RunItem = Open({
  runId: Type.String(),
  tenant: Type.String(),
  status: Enum(runStatuses),
  objective: Type.String(),
  correlationId: Type.String(),
  threadId: Type.Optional(Type.String()),
  labels: Type.Record(Type.String(), Type.String()),
  planVersion: Type.Optional(Positive),
  submittedAt: Time,
  endedAt: Type.Optional(Time),
  openTasks: Uint,
});
export type RunItem = Static<typeof RunItem>;

/** Everything at a glance: state, plan version, nodes, tasks, usage, timings, output or error. */
export const RunView = Open(
  {
    ...RunItem.properties,
    submittedBy: Type.Optional(Type.String()),
    forkOf: Type.Optional(Open({ runId: Type.String(), seq: Uint })),
    plannedAt: Type.Optional(Time),
    startedAt: Type.Optional(Time),
    durationMs: Type.Optional(Uint),
    planAttempts: Uint,
    replans: Uint,
    nodes: Type.Record(Type.String(), NodeStateView),
    tasks: Type.Array(Type.String({ description: 'Ids of the open tasks' })),
    usage: Open({ inputTokens: Uint, outputTokens: Uint, cost: Type.Number() }),
    output: Type.Optional(JsonValue),
    satisfaction: Type.Optional(Type.Number()),
    error: Type.Optional(Failure),
    cursor: Type.String({ description: 'Last-Event-ID from which a stream continues after this state' }),
  },
  { $id: 'flex:Run', description: 'A run at a glance' },
);
export type RunView = Static<typeof RunView>;

export const Accepted = Open({
  runId: Type.String(),
  status: Type.String(),
  links: Type.Record(Type.String(), Type.String()),
});
export type Accepted = Static<typeof Accepted>;

export const TaskItem = Open(
  {
    taskId: Type.String(),
    runId: Type.String(),
    tenant: Type.String(),
    kind: Type.String({ description: 'review, approval, output or escalation' }),
    status: Enum(['open', 'answered', 'closed'] as const),
    outcome: Type.Optional(Type.String()),
    resolution: Type.Optional(Type.String()),
    resolvedBy: Type.Optional(Type.String()),
    prompt: Type.String(),
    nodeId: Type.Optional(Type.String()),
    planVersion: Type.Optional(Positive),
    policyId: Type.Optional(Type.String()),
    contract: Type.Optional(Open({ facets: Type.Array(Type.String()), schema: JsonSchemaValue })),
    context: Type.Optional(FacetValues),
    diagnostics: Type.Optional(Type.Array(PlannerDiagnostic)),
    assignment: Type.Optional(Type.Unsafe<Record<string, unknown>>({ type: 'object' })),
    requestedAt: Time,
    dueAt: Type.Optional(Time),
    closedAt: Type.Optional(Time),
    round: Uint,
  },
  { $id: 'flex:Task', description: 'A question to a person' },
);
export type TaskItem = Static<typeof TaskItem>;

const NEXT = Type.Optional(Type.String({ description: 'Cursor of the next page' }));
const page = <T extends import('../schema.js').TSchema>(items: T) => Open({ items: Type.Array(items), next: NEXT });

export const RunPage = page(RunItem);
export const TaskPage = page(TaskItem);
export const EventItem = Open({
  seq: Uint,
  id: Type.String(),
  type: Type.String(),
  version: Type.Integer({ minimum: 1, description: 'Of the form of its data, which is as it was written' }),
  time: Time,
  source: Type.String(),
  traceparent: Type.Optional(Type.String()),
  key: Type.Optional(Type.String({ description: 'Capability key of work items and reports' })),
  digest: Type.String({ description: 'SHA-256 over type, version, run, id and data: the links of the hash chain' }),
  text: Type.Optional(
    Type.String({
      description:
        'The data as its writer wrote it, where that is not what JSON.stringify writes: the digest is of this',
    }),
  ),
  data: JsonObject,
});
export const EventPage = page(EventItem);

export const PlanVersionItem = Open({
  version: Positive,
  versionTag: Type.String(),
  parentVersion: Type.Optional(Positive),
  cause: Type.Unsafe<import('../plan.js').PlanCause>(Open({ kind: Type.String() })),
  at: Time,
  seq: Uint,
  nodes: Uint,
  edges: Uint,
});
export const PlanVersions = Open({ runId: Type.String(), items: Type.Array(PlanVersionItem) });
export const PlanView = PlanGraphSchema;
export const PlanDiffView = Open({
  runId: Type.String(),
  from: Positive,
  to: Positive,
  added: Type.Array(Type.String()),
  removed: Type.Array(Type.String()),
  changed: Type.Array(Type.String()),
  edgesAdded: Type.Array(Open({ from: Type.String(), to: Type.String() })),
  edgesRemoved: Type.Array(Open({ from: Type.String(), to: Type.String() })),
});

export const OutputView = Open({
  runId: Type.String(),
  status: Enum(runStatuses),
  output: Type.Optional(JsonValue),
  satisfaction: Type.Optional(Type.Number()),
  error: Type.Optional(Failure),
});

export const ValidationView = Open({
  valid: Type.Boolean(),
  errors: Type.Array(ValidationIssue),
  diagnostics: Type.Array(PlannerDiagnostic),
  plan: Type.Optional(PlanGraphSchema),
});

export const StreamTicket = Open({
  ticket: Type.String(),
  expiresAt: Type.String({ description: 'RFC 3339' }),
});

export const CapabilityView = Open({
  ...Capability.properties,
  status: Enum(['active', 'inactive'] as const),
  inactiveReason: Type.Optional(Type.String()),
  health: Type.Optional(
    Type.Number({
      minimum: 0,
      maximum: 1,
      description: 'Share of calls and heartbeats that went well lately; 1 if absent',
    }),
  ),
  calls: Type.Optional(
    Open({ succeeded: Type.Number(), failed: Type.Number(), at: Uint }, { description: 'What health comes from' }),
  ),
});
export const CapabilityList = Open({ revision: Uint, items: Type.Array(CapabilityView), next: NEXT });
export const FacetList = Open({ revision: Uint, items: Type.Array(Facet), next: NEXT });
export const Registered = Open({ revision: Uint });
export const CompiledContract = Open({
  schema: JsonSchemaValue,
  diagnostics: Type.Optional(Type.Array(PlannerDiagnostic)),
});
export type EventPageView = Static<typeof EventPage>;
