import { DeltaOperation } from '../draft.js';
import { Branch } from '../policy.js';
import { TaskEnvelope } from '../envelope.js';
import { Resolution } from '../task.js';
import { Enum, JsonValue, Open, Positive, Tenant, Type, Uint } from '../schema.js';
import { event } from './define.js';
import { by, FacetValues } from './parts.js';

export const gatewayEvents = {
  'run.submitted': event({
    version: 1,
    by: 'gateway',
    meaning: 'A client asked for a task to be done; the envelope passed its schema and its facets exist.',
    data: Open({
      envelope: TaskEnvelope,
      tenant: Tenant,
      correlationId: Type.String(),
      /** Of the registry that the envelope was judged by: whoever works on it has seen at least that. */
      registryRevision: Type.Optional(Uint),
      submittedBy: by,
      threadId: Type.Optional(Type.String()),
      /** Starts when the runs before it on its thread have ended. */
      after: Type.Optional(Type.Array(Type.String())),
      /** Those of them that this one made end are deleted then. */
      rollsBack: Type.Optional(Type.Boolean()),
      forkOf: Type.Optional(Open({ runId: Type.String(), seq: Uint })),
      /** A fork starts with what its origin had finished at that point. */
      seed: Type.Optional(Open({ context: FacetValues, completed: Type.Optional(Type.Array(Type.String())) })),
    }),
  }),
  'run.cancel_requested': event({
    version: 1,
    by: 'gateway',
    meaning: 'Somebody asked to end the run.',
    data: Open({ reason: Type.Optional(Type.String()), by }),
  }),
  'run.pause_requested': event({
    version: 1,
    by: 'gateway',
    meaning: 'Somebody asked that nothing new be started.',
    data: Open({ reason: Type.Optional(Type.String()), by }),
  }),
  'run.resume_requested': event({
    version: 1,
    by: 'gateway',
    meaning: 'Somebody asked a paused run to go on.',
    data: Open({ expectedPlanVersion: Type.Optional(Positive), by }),
  }),
  'run.replan_requested': event({
    version: 1,
    by: 'gateway',
    meaning:
      'An operator asked for a new version of the plan, perhaps with further branches, or edits it by naming the operations.',
    data: Open({
      rationale: Type.Optional(Type.String()),
      baseVersion: Type.Optional(Positive),
      operations: Type.Optional(Type.Array(DeltaOperation)),
      branches: Type.Optional(Type.Array(Branch)),
      by,
    }),
  }),
  'run.released': event({
    version: 1,
    by: 'gateway',
    meaning: 'The runs that this one waited for on its thread have ended.',
    data: Open({}),
  }),
  'run.deleted': event({
    version: 1,
    by: 'gateway',
    meaning:
      'Somebody deleted the ended run, or a later one of its thread rolled it back. Nothing of it is shown any more; this event alone stays for a day, so that everybody hears of it.',
    data: Open({ rolledBackBy: Type.Optional(Type.String()), by }),
  }),
  'plan.review_resolved': event({
    version: 1,
    by: 'gateway',
    meaning: 'An operator approved, edited or rejected the plan before its execution.',
    data: Open({
      taskId: Type.String(),
      decision: Enum(['approve', 'edit', 'reject'] as const),
      baseVersion: Type.Optional(Positive),
      operations: Type.Optional(Type.Array(DeltaOperation)),
      branches: Type.Optional(Type.Array(Branch)),
      comment: Type.Optional(Type.String()),
      by,
    }),
  }),
  'hitl.resolved': event({
    version: 1,
    by: 'gateway',
    meaning: 'A person answered or declined a task.',
    data: Open({
      taskId: Type.String(),
      resolution: Resolution,
      output: Type.Optional(FacetValues),
      answer: Type.Optional(JsonValue),
      comment: Type.Optional(Type.String()),
      by,
    }),
  }),
  'policy.signalled': event({
    version: 1,
    by: 'gateway',
    meaning: 'A client or operator told the running run something: a manual trigger, a metric, a message.',
    data: Open({
      kind: Enum(['manual', 'metric', 'message'] as const),
      policyId: Type.Optional(Type.String()),
      metric: Type.Optional(Type.String()),
      value: Type.Optional(Type.Number()),
      message: Type.Optional(Type.String()),
      facets: Type.Optional(FacetValues),
      replan: Type.Optional(Type.Boolean()),
      by,
    }),
  }),
} as const;
