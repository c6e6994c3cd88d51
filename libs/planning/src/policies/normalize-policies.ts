import {
  actionTypes,
  DEFAULT_MAX_REPLANS,
  DEFAULT_MAX_TRIGGERS,
  issuesOf,
  namedSchemas,
  noPolicies,
  Policies as PoliciesSchema,
  triggerKinds,
  type Policies as PoliciesGiven,
  type Action,
  type NormalizedPolicies,
  type NormalizedRuntimePolicy,
  type OutputContract,
  type PlannerDiagnostic,
  type RuntimePolicy,
} from '@flex/contracts';
import { compileCondition } from '../conditions/compile-condition.js';
import { contextRoots } from '../conditions/operators.js';
import { pointerTokens, resolvePointer } from '../mapping/json-pointer.js';
import { nearestName } from '../naming/nearest-name.js';
import { supportedFields } from '../naming/supported-fields.js';
import { Findings } from '../validation/findings.js';
import { findContradictions } from './contradictions.js';
import { desugarPolicies } from './desugar-policies.js';

/** What of the envelope policies can contradict. */
export interface PolicyContext {
  outputContract?: OutputContract;
}

/**
 * Compiles a client's policies: conditions to JSON Logic, defaults filled in, short forms written out. Fields that are
 * unknown or misspelt, values out of range, contradictions and conditions that do not compile are errors, each with a
 * pointer into what was given; then there are no `policies`.
 */
export function normalizePolicies(
  given: unknown,
  context: PolicyContext = {},
): { policies?: NormalizedPolicies; diagnostics: PlannerDiagnostic[] } {
  if (given === undefined || given === null) return { policies: noPolicies(), diagnostics: [] };
  const findings = new Findings();
  const long = desugarPolicies(given);
  checkFields(long, findings);
  if (findings.failed) return { diagnostics: findings.list() };
  const policies = long as PoliciesGiven;
  findContradictions(policies, context.outputContract, findings);
  const runtime = (policies.runtime ?? []).map((policy, at) => normalizeRuntime(policy, `/runtime/${at}`, findings));
  const diagnostics = findings.list();
  if (findings.failed) return { diagnostics };
  const defaults = noPolicies();
  const { planner } = policies;
  return {
    policies: {
      planner: {
        topology: planner?.topology ?? {},
        selection: { ...defaults.planner.selection, ...planner?.selection },
        optimisation: planner?.optimisation ?? {},
        branches: planner?.branches ?? [],
        directives: [planner?.directives ?? []].flat(),
      },
      runtime,
      budget: {
        ...defaults.budget,
        maxReplans: DEFAULT_MAX_REPLANS,
        ...policies.budget,
        action: policies.budget?.action ?? defaults.budget.action,
      },
    },
    diagnostics,
  };
}

/** The shape of policies, with the supported names wherever one is not. */
function checkFields(policies: unknown, findings: Findings): void {
  for (const { pointer, message, keyword } of issuesOf(PoliciesSchema, policies)) {
    const tokens = pointerTokens(pointer);
    if (keyword === 'additionalProperties') {
      const wrong = tokens.at(-1)!;
      const names = supportedFields(PoliciesSchema, policies, tokens.slice(0, -1), namedSchemas) ?? [];
      const meant = nearestName(wrong, names);
      findings.error('POLICY_UNKNOWN', `There is no policy field "${wrong}" at ${parentOf(pointer)}`, {
        pointer,
        suggestion: `${meant === undefined ? '' : `Did you mean "${meant}"? `}Supported are ${names.join(', ')}`,
      });
    } else if (keyword === 'discriminator' || /\/(kind|type)$/.test(pointer)) {
      unknownTag(policies, pointer, findings);
    } else {
      findings.error('POLICY_INVALID', `At ${pointer || '/'}: ${message}`, { pointer });
    }
  }
}

/** A trigger or action of a kind that does not exist. */
function unknownTag(policies: unknown, pointer: string, findings: Findings): void {
  const own = pointer.replace(/\/(kind|type)$/, '');
  const isTrigger = own.endsWith('/trigger');
  const [tag, names]: [string, readonly string[]] = isTrigger ? ['kind', triggerKinds] : ['type', actionTypes];
  const value = resolvePointer(policies as never, `${own}/${tag}`);
  const what = isTrigger ? 'trigger' : 'action';
  const meant = typeof value === 'string' ? nearestName(value, names) : undefined;
  findings.error(
    typeof value === 'string' ? 'POLICY_UNKNOWN' : 'POLICY_INVALID',
    typeof value === 'string' ? `There is no ${what} "${value}"` : `The ${what} at ${own} needs a ${tag}`,
    {
      pointer: `${own}/${tag}`,
      suggestion: `${meant === undefined ? '' : `Did you mean "${meant}"? `}Supported are ${names.join(', ')}`,
    },
  );
}

const parentOf = (pointer: string): string => pointer.slice(0, pointer.lastIndexOf('/')) || '/';

function normalizeRuntime(policy: RuntimePolicy, pointer: string, findings: Findings): NormalizedRuntimePolicy {
  const { trigger } = policy;
  const reads = new Set<string>();
  let condition: NormalizedRuntimePolicy['trigger']['condition'];
  if (trigger.condition !== undefined) {
    const compiled = compileCondition(trigger.condition);
    if (compiled.ok) {
      condition = compiled.logic;
      for (const facet of compiled.reads) reads.add(facet);
    } else {
      const place = typeof trigger.condition === 'string' ? ` (line ${compiled.line}, column ${compiled.column})` : '';
      findings.error('CONDITION_INVALID', `The condition of policy ${policy.id}: ${compiled.message}${place}`, {
        pointer: `${pointer}/trigger/condition${compiled.pointer}`,
      });
    }
  }
  if (trigger.kind === 'onMetricBelow') {
    const facet = facetOfMetric(trigger.metric, `${pointer}/trigger/metric`, findings);
    if (facet !== undefined) reads.add(facet);
  }
  return {
    id: policy.id,
    enabled: policy.enabled ?? true,
    trigger: {
      kind: trigger.kind,
      ...(trigger.selector === undefined ? {} : { selector: trigger.selector }),
      ...(condition === undefined ? {} : { condition }),
      ...(trigger.kind === 'onTimeout' ? { ms: trigger.ms } : {}),
      ...(trigger.kind === 'onMetricBelow' ? { metric: trigger.metric, threshold: trigger.threshold } : {}),
    },
    action: withDefaults(policy.action),
    maxTriggers: policy.maxTriggers ?? maxAttempts(policy.action) ?? DEFAULT_MAX_TRIGGERS,
    reads: [...reads],
  };
}

/** The facet behind a metric such as `facets.qaFindings.scores.overall`; a name without a known root is a signalled metric. */
function facetOfMetric(metric: string, pointer: string, findings: Findings): string | undefined {
  const [root, ...rest] = metric.split('.');
  if (rest.length === 0 || !(contextRoots as readonly string[]).includes(root!)) {
    const meant = rest.length === 0 ? undefined : nearestName(root!, contextRoots);
    if (meant !== undefined)
      findings.warn('POLICY_UNKNOWN', `"${metric}" counts as the name of a signalled metric`, {
        pointer,
        suggestion: `Did you mean ${[meant, ...rest].join('.')}?`,
      });
    return undefined;
  }
  const compiled = compileCondition({ var: metric });
  if (!compiled.ok) findings.error('CONDITION_INVALID', compiled.message, { pointer });
  return root === 'facets' ? rest[0] : undefined;
}

const maxAttempts = (action: Action): number | undefined =>
  action.type === 'goto' ? (action.maxAttempts ?? 1) : undefined;

function withDefaults(action: Action): Action {
  if (action.type === 'goto') return { ...action, maxAttempts: action.maxAttempts ?? 1 };
  if (action.type !== 'hitl') return action;
  return {
    ...action,
    ...(action.approveAction === undefined ? {} : { approveAction: withDefaults(action.approveAction) }),
    ...(action.rejectAction === undefined ? {} : { rejectAction: withDefaults(action.rejectAction) }),
  };
}
