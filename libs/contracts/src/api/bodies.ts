import { TaskEnvelope } from '../envelope.js';
import { Capability } from '../capability.js';
import { Facet } from '../facet.js';
import { DeltaOperation } from '../draft.js';
import { Branch } from '../policy.js';
import {
  CapabilityId,
  Closed,
  Enum,
  JsonObject,
  JsonValue,
  Name,
  Positive,
  Type,
  Uint,
  type Static,
} from '../schema.js';

/** What clients send to the gateway. All closed: an unknown field is an error that names it. */

const Reason = Type.Optional(Type.String({ maxLength: 2000 }));

export const CancelBody = Closed({ reason: Reason });
export const PauseBody = Closed({ reason: Reason });
export const ResumeBody = Closed({ expectedPlanVersion: Type.Optional(Positive) });

/** `POST /api/v1/flex/run.resume`: resumes at a plan version that the operator has seen; 409 when it is not the latest. */
export const RunResumeBody = Closed({
  runId: Type.String({ minLength: 1, maxLength: 128 }),
  expectedPlanVersion: Positive,
});

export const SignalBody = Closed({
  kind: Enum(['manual', 'metric', 'message'] as const),
  policyId: Type.Optional(
    Type.String({ maxLength: 128, description: 'The policy with a manual trigger that is meant' }),
  ),
  metric: Type.Optional(Type.String({ maxLength: 200 })),
  value: Type.Optional(Type.Number()),
  message: Type.Optional(Type.String({ maxLength: 20000 })),
  facets: Type.Optional(JsonObject),
  replan: Type.Optional(Type.Boolean({ description: 'Plan anew in the light of this message' })),
});

const Branches = Type.Optional(
  Type.Array(Branch, {
    minItems: 1,
    maxItems: 24,
    description: 'Branches to be planned in addition; each inherits facets, schemas and policies of what it doubles',
  }),
);

export const ReplanBody = Closed({
  rationale: Reason,
  baseVersion: Type.Optional(Positive),
  operations: Type.Optional(Type.Array(DeltaOperation, { maxItems: 20_000 })),
  branches: Branches,
});

export const ForkBody = Closed({
  /** Frame or log sequence up to which the origin's results are taken over; all of them when left out. */
  fromSeq: Type.Optional(Uint),
  envelope: Type.Optional(TaskEnvelope),
});

export const ResolveBody = Closed({
  resolution: Enum(['approve', 'reject', 'edit', 'answer', 'output'] as const),
  output: Type.Optional(JsonObject),
  answer: Type.Optional(JsonValue),
  operations: Type.Optional(Type.Array(DeltaOperation, { maxItems: 20_000 })),
  branches: Branches,
  baseVersion: Type.Optional(Positive),
  comment: Type.Optional(Type.String({ maxLength: 20000 })),
});
export type ResolveBody = Static<typeof ResolveBody>;

export const DeclineBody = Closed({ comment: Type.Optional(Type.String({ maxLength: 20000 })) });

export const StreamTicketBody = Closed({
  runId: Type.Optional(
    Type.String({ maxLength: 128, description: 'Only the stream of this run; all of the tenant if absent' }),
  ),
  expiresInSeconds: Type.Optional(Type.Integer({ minimum: 10, maximum: 3600, description: '300 if absent' })),
});

export const RegisterBody = Capability;
export const PublishFacetBody = Facet;
export const BulkRegisterBody = Closed({
  facets: Type.Optional(Type.Array(Facet, { maxItems: 20_000 })),
  capabilities: Type.Optional(Type.Array(Capability, { maxItems: 20_000 })),
});
export const HeartbeatBody = Closed({
  instance: Type.Optional(Type.String({ minLength: 1, maxLength: 64, pattern: '^[A-Za-z0-9_-]+$' })),
});

export const CompileFacetsBody = Closed({
  facets: Type.Array(Name('Facet of the contract'), { minItems: 1, maxItems: 500 }),
  direction: Enum(['input', 'output'] as const),
});

export const RunEnvelopeBody = TaskEnvelope;

export const apiIds = {
  runId: Type.String({ pattern: '^[A-Za-z0-9_-]{1,128}$' }),
  capabilityId: CapabilityId,
  name: Name('Facet'),
};
