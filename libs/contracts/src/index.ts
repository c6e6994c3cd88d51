export {
  JsonValue,
  JsonObject,
  JsonSchemaValue,
  Closed,
  Open,
  Enum,
  Tagged,
  Ref,
  Name,
  CapabilityId,
  Tenant,
  NodeId,
  Uint,
  Positive,
  Type,
  type Json,
  type JsonSchema,
  type Static,
  type TSchema,
} from './schema.js';
export { facetDirections, FacetSemantics, Facet, type FacetDirection } from './facet.js';
export { Condition, type JsonLogic } from './condition.js';
export {
  capabilityKinds,
  CapabilityTraits,
  CapabilityCost,
  onDeclines,
  Assignment,
  FacetCondition,
  Capability,
  type CapabilityKind,
  type RegisteredCapability,
  type RecentCalls,
} from './capability.js';
export { CallOutcomes, LoadReport, OutcomeReport } from './outcomes.js';
export { type RegistrySnapshot } from './registry-snapshot.js';
export {
  nodeKinds,
  Topology,
  SelectionPolicy,
  optimisationObjectives,
  Optimisation,
  Branch,
  PlannerPolicies,
  triggerKinds,
  Selector,
  Trigger,
  actionTypes,
  Action,
  RuntimePolicy,
  BudgetPolicy,
  Policies,
  DEFAULT_MAX_REPLANS,
  DEFAULT_MAX_TRIGGERS,
  noPolicies,
  type NodeKind,
  type NormalizedPolicies,
  type NormalizedRuntimePolicy,
  type TriggerKind,
} from './policy.js';
export { Constraint, OutputContract, Review, TaskEnvelope } from './envelope.js';
export { MappingSchema, type Mapping } from './mapping.js';
export { diagnosticCodes, PlannerDiagnostic, ValidationIssue, type DiagnosticCode } from './diagnostic.js';
export {
  RetryPolicy,
  Route,
  DraftNode,
  DraftEdge,
  PlannerDraft,
  DeltaOperation,
  DeltaOperationSchema,
  PlanDelta,
} from './draft.js';
export {
  nodeStatuses,
  runStatuses,
  PlanGraphSchema,
  CompiledDeltaSchema,
  type CompiledDelta,
  type FacetSource,
  type NodeStatus,
  type OutputComposition,
  type PlanCause,
  type PlanDiff,
  type PlanEdge,
  type PlanGraph,
  type PlanMetadata,
  type PlanNode,
  type RunStatus,
  type ScoreBreakdown,
  type Selection,
} from './plan.js';
export {
  taskKinds,
  resolutions,
  Resolution,
  type HumanTask,
  type ResolutionKind,
  type TaskAnswer,
  type TaskDefault,
  type TaskKind,
} from './task.js';
export {
  runCatalogue,
  catalogue,
  eventTypes,
  definitionOf,
  appendsOf,
  unreachable,
  type EventData,
  type EventType,
  type NewEvent,
  type RunEventType,
  type StoredEvent,
} from './catalogue.js';
export {
  DEFAULT_PARTITIONS,
  DEFAULT_TENANT,
  entities,
  partitionOf,
  partitionToken,
  capabilityKey,
  capabilityOfKey,
  subjectOf,
  claimSubject,
  registrySubject,
  everySubject,
} from './subject.js';
export { namedSchemas, issuesOf, validateEvent, upcast, UnknownVersion } from './validate.js';
export { toIssue, toIssues } from './issues.js';
export {
  frameTypes,
  controlFrameTypes,
  Frame,
  formatFrameId,
  parseFrameId,
  isAfter,
  type FrameCursor,
  type FrameType,
} from './frame.js';
export { Rejection, ContractViolation, type Problem } from './problem.js';
export { services, type DataOf, type EventDefinition, type ServiceName } from './events/define.js';
export { FacetValues, Failure, Acceptance, Usage, Chain } from './events/parts.js';
export type { NextStep } from './events/orchestrator.js';
export { resultsOf, type StepResult } from './events/worker.js';
export {
  API_PREFIX,
  API_VERSION,
  BODY_DEPTH_LIMIT,
  BODY_LIMIT_BYTES,
  commonProblems,
  scopes,
  type ApiRoute,
  type Scope,
} from './api/route.js';
export { routeOf, routes, type RouteId } from './api/routes.js';
export * as apiBodies from './api/bodies.js';
export * as apiViews from './api/views.js';
export type { Accepted, EventPageView, NodeStateView, RunItem, RunView, TaskItem } from './api/views.js';
export type { ResolveBody } from './api/bodies.js';
export { openApiDocument } from './documents/openapi.js';
export { asyncApiDocument } from './documents/asyncapi.js';
