import { PlannerDiagnostic, ValidationIssue } from '../diagnostic.js';
import type { HumanTask } from '../task.js';
import { JsonObject, Open, Positive, Type, Uint, type Json, type Static } from '../schema.js';

export const Diagnostics = Type.Array(PlannerDiagnostic);
export const Issues = Type.Array(ValidationIssue);

/** Values by facet name. */
export const FacetValues = Type.Unsafe<Record<string, Json>>(JsonObject);
export type FacetValues = Record<string, Json>;

/** A problem of a node or run: a stable code, one sentence, whether trying again can help. */
export const Failure = Open({
  code: Type.String(),
  message: Type.String(),
  retryable: Type.Optional(Type.Boolean()),
  nodeId: Type.Optional(Type.String()),
  issues: Type.Optional(Issues),
  diagnostics: Type.Optional(Diagnostics),
});
export type Failure = Static<typeof Failure>;

/**
 * A node's result has been checked and taken over. Rides in the decision that follows from it. `outputs` only when
 * the orchestrator made them (engine nodes, people's answers); a worker's are in its `node.reported`.
 */
export const Acceptance = Open({
  nodeId: Type.String(),
  attempt: Uint,
  outputs: Type.Optional(FacetValues),
  /** Targets that a routing node chose. */
  taken: Type.Optional(Type.Array(Type.String())),
});
export type Acceptance = Static<typeof Acceptance>;
export const accepted = Type.Optional(Type.Array(Acceptance));

export const Usage = Open({
  inputTokens: Type.Optional(Uint),
  outputTokens: Type.Optional(Uint),
  cost: Type.Optional(Type.Number()),
  model: Type.Optional(Type.String()),
});
export type Usage = Static<typeof Usage>;

export const Task = Type.Unsafe<HumanTask>(
  Open({ taskId: Type.String(), kind: Type.String(), prompt: Type.String(), onTimeout: Type.String(), round: Uint }),
);

export const PlanRef = { planVersion: Type.Optional(Positive) };

/** Who did it: `key:<id>`, `user:<subject>` or a word of the caller's. */
export const by = Type.Optional(Type.String({ maxLength: 200 }));

/**
 * Head of the hash chain over a run's events up to and including `seq`; `own` is the digest of the terminal event that
 * carries it, as it is without the chain.
 */
export const Chain = Open({ head: Type.String(), count: Uint, seq: Uint, own: Type.Optional(Type.String()) });
