import { FacetCondition } from './capability.js';
import { Condition } from './condition.js';
import { PlannerDraft } from './draft.js';
import { Policies } from './policy.js';
import { Closed, Enum, JsonObject, JsonSchemaValue, Name, Tagged, Type, type Static } from './schema.js';

/** A rule over the final output, as JSON Logic or text. `hard` blocks, `soft` lowers a satisfaction score, `informational` informs. */
export const Constraint = Closed({
  constraintId: Type.String({ minLength: 1, maxLength: 128 }),
  expr: Condition,
  level: Enum(['hard', 'soft', 'informational'] as const),
  rationale: Type.Optional(Type.String({ maxLength: 2000 })),
});
export type Constraint = Static<typeof Constraint>;

const Constraints = Type.Optional(Type.Array(Constraint, { maxItems: 100 }));

/** The exact shape of the answer. */
export const OutputContract = Tagged('mode', [
  Closed({
    mode: Type.Literal('json_schema'),
    schema: JsonSchemaValue,
    hints: Type.Optional(JsonObject),
    constraints: Constraints,
  }),
  Closed({
    mode: Type.Literal('facets'),
    facets: Type.Array(Name('Facet wanted'), { minItems: 1, maxItems: 500, uniqueItems: true }),
    constraints: Constraints,
  }),
  Closed({
    mode: Type.Literal('freeform'),
    instructions: Type.String({ minLength: 1, maxLength: 20000 }),
    constraints: Constraints,
  }),
]);
export type OutputContract = Static<typeof OutputContract>;

/** An operator looks at the plan, and may edit it, before it runs. */
export const Review = Closed({
  required: Type.Boolean(),
  deadlineSeconds: Type.Optional(Type.Number({ exclusiveMinimum: 0 })),
  assignee: Type.Optional(Type.String({ maxLength: 200 })),
  onTimeout: Type.Optional(
    Enum(['approve', 'reject'] as const, { description: 'What happens at the deadline; reject if absent' }),
  ),
});

/** What a client posts: an objective, its inputs and policies, and the exact contract of the answer. */
export const TaskEnvelope = Closed(
  {
    objective: Type.String({ minLength: 1, maxLength: 20000 }),
    inputs: Type.Optional(JsonObject),
    constraints: Type.Optional(JsonObject),
    outputContract: OutputContract,
    policies: Type.Optional(Policies),
    specialInstructions: Type.Optional(Type.Array(Type.String({ maxLength: 8000 }), { maxItems: 100 })),
    goalConditions: Type.Optional(Type.Array(FacetCondition, { maxItems: 50 })),
    review: Type.Optional(Type.Union([Type.Boolean(), Review])),
    plan: Type.Optional(PlannerDraft),
    planning: Type.Optional(
      Closed({
        dynamic: Type.Optional(Type.Boolean({ description: 'false: the plain chain without scoring or expansion' })),
        hybrid: Type.Optional(Type.Boolean({ description: 'false: no model drafts, the deterministic plan only' })),
      }),
    ),
    metadata: Type.Optional(
      Type.Object(
        {
          correlationId: Type.Optional(Type.String({ maxLength: 200 })),
          clientId: Type.Optional(Type.String({ maxLength: 200 })),
          threadId: Type.Optional(Type.String({ minLength: 1, maxLength: 200 })),
          onConflict: Type.Optional(
            Enum(['reject', 'enqueue', 'interrupt', 'rollback'] as const, {
              description: 'What becomes of this run when another run of the same threadId is still open',
            }),
          ),
          labels: Type.Optional(Type.Record(Type.String(), Type.String({ maxLength: 200 }))),
        },
        { additionalProperties: true },
      ),
    ),
  },
  { $id: 'flex:TaskEnvelope', description: 'A task: objective, inputs, policies, output contract' },
);
export type TaskEnvelope = Static<typeof TaskEnvelope>;
