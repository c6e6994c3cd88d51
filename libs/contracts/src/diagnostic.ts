import { Enum, Open, Type, type Static } from './schema.js';

export const diagnosticCodes = [
  'CAPABILITY_NOT_REGISTERED',
  'CAPABILITY_INACTIVE',
  'CAPABILITY_MISSING',
  'CAPABILITY_SELF_DEPENDENT',
  'FACET_UNSUPPORTED_BY_CAPABILITY',
  'UNKNOWN_FACET',
  'FACET_CONTRACT_FACET_NOT_FOUND',
  'FACET_CONTRACT_DIRECTION_MISMATCH',
  'FACET_CONTRACT_TYPE_MISMATCH',
  'FACET_CONTRACT_ENUM_CONFLICT',
  'FACET_CONTRACT_BOUNDS_CONFLICT',
  'FACET_CONTRACT_MERGE_UNSUPPORTED',
  'FACET_EXTENDS_CYCLE',
  'FACET_SCHEMA_INVALID',
  'INPUT_INVALID',
  'INPUT_FACET_UNAVAILABLE',
  'OUTPUT_FACET_UNCOVERED',
  'OUTPUT_CONTRACT_UNSATISFIABLE',
  'OUTPUT_SCHEMA_INVALID',
  'MAPPING_INVALID',
  'CYCLE',
  'DUPLICATE_NODE',
  'DANGLING_EDGE',
  'UNKNOWN_NODE',
  'NODE_UNUSED',
  'POLICY_REQUIRED_MISSING',
  'POLICY_FORBIDDEN',
  'POLICY_CONFLICT',
  'POLICY_UNKNOWN',
  'POLICY_INVALID',
  'KIND_REQUIRED_MISSING',
  'KIND_FORBIDDEN',
  'DEPTH_EXCEEDED',
  'BUDGET_EXCEEDED',
  'BRANCH_MISSING',
  'CONSTRAINT_UNSATISFIED',
  'CONDITION_INVALID',
  'COMPLETED_NODE_CHANGED',
  'STALE_BASE_VERSION',
  'BELOW_THRESHOLD',
  'DRAFT_MALFORMED',
  'PLANNER_UNAVAILABLE',
  'PLANNER_REFUSED',
  'LIMIT_EXCEEDED',
] as const;
export type DiagnosticCode = (typeof diagnosticCodes)[number];

/** One finding about a plan, a policy or a definition; goes back into the next planning request. */
export const PlannerDiagnostic = Open({
  code: Enum(diagnosticCodes),
  severity: Enum(['error', 'warning', 'info'] as const),
  message: Type.String(),
  nodeId: Type.Optional(Type.String()),
  capabilityId: Type.Optional(Type.String()),
  facet: Type.Optional(Type.String()),
  pointer: Type.Optional(Type.String({ description: 'JSON pointer into what was judged' })),
  constraintId: Type.Optional(Type.String()),
  suggestion: Type.Optional(Type.String()),
});
export type PlannerDiagnostic = Static<typeof PlannerDiagnostic>;

/** One place where a value breaks a schema. */
export const ValidationIssue = Open({
  pointer: Type.String({ description: 'JSON pointer into the value' }),
  message: Type.String(),
  keyword: Type.Optional(Type.String()),
  facet: Type.Optional(Type.String()),
  title: Type.Optional(Type.String()),
});
export type ValidationIssue = Static<typeof ValidationIssue>;
