import type { DraftNode, FacetSource, Json, PlanNode, RegisteredCapability } from '@flex/contracts';
import { capabilityKey } from '@flex/contracts';
import { compileCondition } from '../conditions/compile-condition.js';
import { matchingHooks } from '../policies/matching-hooks.js';
import { estimateOf } from './check-policies.js';
import { facetObject } from './facet-schemas.js';
import type { Findings } from './findings.js';
import type { FlowNode } from './flow.js';
import { instructionOf, type BranchText } from './instruction.js';
import type { PlanningQuestion, PlanOrigin } from './planning-question.js';
import type { Scorer } from './score-nodes.js';
import { facetsOf, isEngineNode } from './capability-use.js';

export const DEFAULT_RETRY = { maxAttempts: 3, backoffMs: 1000, factor: 2 } as const;
export const DEFAULT_TIMEOUT_MS = 300_000;
/** A person without a deadline of their own has this long: a week, the longest that a node may take. */
export const LONGEST_TIMEOUT_MS = 604_800_000;

/** What the nodes of one plan have in common while they are compiled. */
export interface Compilation {
  question: PlanningQuestion;
  origin: PlanOrigin;
  findings: Findings;
  /** Branches of the policies, and those that the draft asks for. */
  branches: ReadonlyMap<string, BranchText>;
  score: Scorer;
}

/** Makes a plan's node of a draft's: everything that a draft may not say itself is filled in here. */
export function compileNode(
  flow: FlowNode,
  number: number,
  capability: RegisteredCapability | undefined,
  sources: FacetSource[],
  compilation: Compilation,
): PlanNode {
  const { draft } = flow;
  const { question, origin, findings } = compilation;
  const { snapshot, policies } = question;
  const provided = new Set(sources.map((source) => source.facet));
  const optional = flow.optional.filter((facet) => provided.has(facet));
  const engine = isEngineNode(draft);
  // Direction is the business of capabilities; the engine and people may move any facet.
  const free = engine || capability === undefined;
  const input = facetObject(snapshot, flow.required, optional, free ? 'bidirectional' : 'input');
  const output = facetObject(snapshot, draft.outputFacets, [], free ? 'bidirectional' : 'output');
  for (const error of [...input.errors, ...output.errors]) findings.add({ ...error, nodeId: draft.id });
  const keys = { ...input.keys, ...output.keys };
  const branch = draft.branchId === undefined ? undefined : compilation.branches.get(draft.branchId);
  const inputs: Record<string, Json> = { ...branch?.inputs, ...draft.inputs };
  const selection =
    origin.selections?.[draft.id] ??
    (capability === undefined || engine ? undefined : compilation.score(draft, capability));
  const estimate = estimateOf(capability?.cost);
  const preConditions = compileFacetConditions(capability?.preConditions);
  const postConditions = compileFacetConditions(capability?.postConditions);
  return {
    id: draft.id,
    kind: draft.kind,
    ...(draft.capabilityId === undefined ? {} : { capabilityId: draft.capabilityId }),
    ...(capability === undefined || engine
      ? {}
      : { capabilityKey: capabilityKey(capability.capabilityId, capability.tenant) }),
    ...(capability === undefined ? {} : { agentType: capability.agentType }),
    ...(draft.derivedFrom === undefined
      ? {}
      : { derivedFrom: draft.derivedFrom, coverage: draft.coverage ?? coverageOf(draft, capability) }),
    label: draft.label,
    facets: {
      input: [...flow.required, ...optional],
      ...(optional.length > 0 ? { optional } : {}),
      output: draft.outputFacets,
      ...(Object.keys(keys).length > 0 ? { keys } : {}),
    },
    inputSchema: input.schema,
    outputSchema: output.schema,
    instruction: instructionOf(draft, capability, [...flow.required, ...optional], branch, question),
    ...(Object.keys(inputs).length > 0 ? { inputs } : {}),
    provenance: sources,
    rationale: draft.rationale ?? [],
    ...(selection === undefined ? {} : { selection }),
    policyHooks:
      policies.runtime.length === 0 ? [] : matchingHooks({ ...draft, outputs: draft.outputFacets }, policies),
    retry: { ...DEFAULT_RETRY, ...capability?.retry, ...draft.retry },
    timeoutMs: draft.timeoutMs ?? capability?.timeoutMs ?? timeoutOf(capability, draft),
    fallback: (draft.fallback ?? []).filter((id) => snapshot.capabilities.get(id)?.status === 'active'),
    ...(draft.mapping === undefined ? {} : { mapping: draft.mapping }),
    ...(draft.routes === undefined ? {} : { routes: compileRoutes(draft, number, findings) }),
    ...(draft.branchId === undefined ? {} : { branchId: draft.branchId }),
    ...(capability?.assignment === undefined ? {} : { assignment: capability.assignment }),
    ...(preConditions === undefined ? {} : { preConditions }),
    ...(postConditions === undefined ? {} : { postConditions }),
    ...(estimate === undefined ? {} : { estimate }),
    draft,
  };
}

/** Share of the node's facets that the capability it derives from writes itself. */
function coverageOf({ outputFacets }: DraftNode, capability: RegisteredCapability | undefined): number {
  if (outputFacets.length === 0 || capability === undefined) return 1;
  const { outputs } = facetsOf(capability);
  return outputFacets.filter((facet) => outputs.has(facet)).length / outputFacets.length;
}

function timeoutOf(capability: RegisteredCapability | undefined, draft: DraftNode): number {
  if (capability?.agentType !== 'human' && draft.kind !== 'fallback') return DEFAULT_TIMEOUT_MS;
  const sla = capability?.assignment?.slaSeconds;
  return sla === undefined ? LONGEST_TIMEOUT_MS : Math.min(Math.ceil(sla * 1000), LONGEST_TIMEOUT_MS);
}

function compileRoutes(draft: DraftNode, number: number, findings: Findings): PlanNode['routes'] {
  return draft.routes!.map(({ to, condition }, at) => {
    if (condition === undefined) return { to };
    const compiled = compileCondition(condition);
    if (compiled.ok) return { to, condition: compiled.logic };
    conditionInvalid(compiled, condition, `/nodes/${number}/routes/${at}/condition`, draft.id, findings);
    return { to };
  });
}

export function conditionInvalid(
  error: { message: string; line: number; column: number; pointer: string },
  condition: unknown,
  pointer: string,
  nodeId: string,
  findings: Findings,
): void {
  const place = typeof condition === 'string' ? ` (line ${error.line}, column ${error.column})` : '';
  findings.error('CONDITION_INVALID', `${error.message}${place}`, { nodeId, pointer: pointer + error.pointer });
}

/** Conditions of a capability; the registry refused those that do not compile. */
function compileFacetConditions(conditions: RegisteredCapability['preConditions']): PlanNode['preConditions'] {
  const compiled = (conditions ?? []).flatMap(({ condition, ...rest }) => {
    const result = compileCondition(condition);
    return result.ok ? [{ ...rest, condition: result.logic }] : [];
  });
  return compiled.length > 0 ? compiled : undefined;
}
