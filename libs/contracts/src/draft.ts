import type { Mapping } from './mapping.js';
import { Condition } from './condition.js';
import { nodeKinds } from './policy.js';
import {
  CapabilityId,
  Closed,
  Enum,
  JsonObject,
  Name,
  NodeId,
  Open,
  Positive,
  Ref,
  Type,
  Uint,
  type Static,
} from './schema.js';

const MappingRef = Ref<Mapping>('Mapping');

export const RetryPolicy = Closed({
  maxAttempts: Type.Integer({ minimum: 1, maximum: 100 }),
  backoffMs: Type.Optional(Uint),
  factor: Type.Optional(Type.Number({ minimum: 1, maximum: 10 })),
});
export type RetryPolicy = Static<typeof RetryPolicy>;

/** One way out of a routing node: the target runs when the condition holds; the first that holds wins, else `default`. */
export const Route = Closed({ to: NodeId, condition: Type.Optional(Condition) });

/** A node as a planner proposes it; schemas, provenance, scores and hooks are compiled by us, never taken from a draft. */
export const DraftNode = Closed({
  id: NodeId,
  kind: Enum([...nodeKinds]),
  capabilityId: Type.Optional(CapabilityId),
  derivedFrom: Type.Optional(CapabilityId),
  /** Share of what is wanted that a derived capability covers; computed from its facets if absent. */
  coverage: Type.Optional(Type.Number({ minimum: 0, maximum: 1 })),
  label: Type.String({ minLength: 1, maxLength: 300 }),
  inputFacets: Type.Array(Name('Facet read'), { maxItems: 500 }),
  outputFacets: Type.Array(Name('Facet written'), { maxItems: 500 }),
  instruction: Type.Optional(Type.String({ maxLength: 20000 })),
  rationale: Type.Optional(Type.Array(Type.String({ maxLength: 2000 }), { maxItems: 50 })),
  mapping: Type.Optional(Type.Record(Type.String(), MappingRef)),
  routes: Type.Optional(Type.Array(Route, { maxItems: 100 })),
  branchId: Type.Optional(NodeId),
  inputs: Type.Optional(JsonObject),
  fallback: Type.Optional(Type.Array(CapabilityId, { maxItems: 20 })),
  retry: Type.Optional(RetryPolicy),
  timeoutMs: Type.Optional(Type.Integer({ minimum: 1, maximum: 604_800_000 })),
});
export type DraftNode = Static<typeof DraftNode>;

export const DraftEdge = Closed({
  from: NodeId,
  to: NodeId,
  facets: Type.Optional(Type.Array(Name('Facet carried'), { maxItems: 500 })),
  condition: Type.Optional(Condition),
});
export type DraftEdge = Static<typeof DraftEdge>;

export const PlannerDraft = Closed(
  {
    nodes: Type.Array(DraftNode, { maxItems: 20_000 }),
    edges: Type.Optional(Type.Array(DraftEdge, { maxItems: 200_000 })),
    branchRequests: Type.Optional(
      Type.Array(
        Closed({
          id: NodeId,
          label: Type.String({ maxLength: 200 }),
          rationale: Type.Optional(Type.String({ maxLength: 2000 })),
          inputs: Type.Optional(JsonObject),
          from: Type.Optional(NodeId),
        }),
        { maxItems: 100 },
      ),
    ),
    metadata: Type.Optional(
      Open({
        runtime: Type.Optional(Type.String({ description: 'deterministic, llm, client, operator, stub' })),
        provider: Type.Optional(Type.String()),
        model: Type.Optional(Type.String()),
        usage: Type.Optional(
          Open({
            inputTokens: Type.Optional(Uint),
            outputTokens: Type.Optional(Uint),
            cost: Type.Optional(Type.Number()),
          }),
        ),
      }),
    ),
  },
  { $id: 'flex:PlannerDraft', description: 'A plan as proposed: by a model, the assembler, a client or an operator' },
);
export type PlannerDraft = Static<typeof PlannerDraft>;

/** One change to a plan. */
export const DeltaOperation = Ref<DeltaOperation>('DeltaOperation');
export type DeltaOperation =
  | { op: 'addNode'; node: DraftNode }
  | { op: 'removeNode'; nodeId: string }
  | { op: 'replaceNode'; node: DraftNode }
  | { op: 'addEdge'; edge: DraftEdge }
  | { op: 'removeEdge'; from: string; to: string }
  | { op: 'cancelNode'; nodeId: string };
export const DeltaOperationSchema = Type.Unsafe<DeltaOperation>({
  $id: 'flex:DeltaOperation',
  type: 'object',
  discriminator: { propertyName: 'op' },
  required: ['op'],
  oneOf: [
    Closed({ op: Type.Literal('addNode'), node: DraftNode }),
    Closed({ op: Type.Literal('removeNode'), nodeId: NodeId }),
    Closed({ op: Type.Literal('replaceNode'), node: DraftNode }),
    Closed({ op: Type.Literal('addEdge'), edge: DraftEdge }),
    Closed({ op: Type.Literal('removeEdge'), from: NodeId, to: NodeId }),
    Closed({ op: Type.Literal('cancelNode'), nodeId: NodeId }),
  ],
});

/** Changes to one version of a plan; refused on any other version. */
export const PlanDelta = Closed(
  {
    baseVersion: Positive,
    operations: Type.Array(DeltaOperation, { maxItems: 20_000 }),
    rationale: Type.Optional(Type.Array(Type.String({ maxLength: 2000 }), { maxItems: 50 })),
    metadata: Type.Optional(Type.Unsafe<NonNullable<PlannerDraft['metadata']>>({ type: 'object' })),
  },
  { $id: 'flex:PlanDelta' },
);
export type PlanDelta = Static<typeof PlanDelta>;
