export { evaluateMapping, mappingReads } from './mapping/evaluate-mapping.js';
export { joinValues } from './mapping/join-values.js';
export { escapeToken, pointerTokens, resolvePointer } from './mapping/json-pointer.js';
export { resolveFacets, type FacetLookup } from './mapping/resolve-facets.js';
export {
  compileCondition,
  type CompiledCondition,
  type ConditionError,
  type ConditionOptions,
} from './conditions/compile-condition.js';
export { evaluate, holds } from './conditions/evaluate-condition.js';
export { contextRoots, operators } from './conditions/operators.js';
export { printCondition } from './conditions/print-condition.js';
export { nearestName, nearestNames } from './naming/nearest-name.js';
export { normalizePolicies, type PolicyContext } from './policies/normalize-policies.js';
export { evaluatePolicies, type PolicyEvaluation, type PolicyVerdict } from './policies/evaluate-policies.js';
export { matchingHooks, type HookedNode } from './policies/matching-hooks.js';
export { rehearse, rehearseEnvelope } from './rehearse.js';
export { validateDraft } from './validation/validate-draft.js';
export { validateDelta, type PlanProgress } from './validation/validate-delta.js';
export { validateEnvelope } from './validation/validate-envelope.js';
export { envelopeFacets } from './validation/envelope-facets.js';
export { performerOf } from './validation/performer.js';
export { gotoTargets } from './validation/check-policies.js';
export type { PlanningQuestion, PlanOrigin } from './validation/planning-question.js';
export { mergeDelta } from './delta/merge-delta.js';
export { diffPlans } from './delta/diff-plans.js';
export { sameJson } from './delta/same-json.js';
export { OUTPUT_FACET } from './output/plan-output.js';
export { checkConstraints, composeOutput, type ConstraintResult } from './output/compose-output.js';
export { MAX_SCHEMA_BYTES, patternFault, unsafeSchema } from './facets/pattern-safety.js';
export { schemaFaults, validatorFor, type Validator } from './facets/validators.js';
export {
  compileFacets,
  validateFacets,
  type CompiledFacets,
  type FacetContractError,
  type FacetRequest,
} from './facets/compile-facets.js';
export { checkFacetDefinition } from './facets/check-facet.js';
export { relevantCapabilities, type Relevance, type RelevantCapabilities } from './relevance/relevant-capabilities.js';
export { defaultSelection, type SelectionSettings, type Weights } from './selection/selection-settings.js';
export { assemble, type Assembly, type AssemblyQuestion } from './assembly/assemble.js';
export {
  assembleDelta,
  type AssembledDelta,
  type DeltaQuestion,
  type ReplanContext,
} from './assembly/assemble-delta.js';
export { BRANCHES_TAG, requestedBranches } from './assembly/requested-branches.js';
export { generateComposition, type CompositionProblem } from './assembly/composition-generator.js';
