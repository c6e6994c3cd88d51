import type { Action, OutputContract, Policies, RuntimePolicy } from '@flex/contracts';
import { shapeOf } from '../relevance/schema-shape.js';
import type { Findings } from '../validation/findings.js';

/** Deepest nesting of questions to people: an answer that leads to a question, and so on. */
const MAX_NESTED_QUESTIONS = 5;

/** Policies that each make sense, but not together. */
export function findContradictions(policies: Policies, contract: OutputContract | undefined, findings: Findings): void {
  const { topology, selection } = policies.planner ?? {};
  const clash = (
    what: string,
    first: readonly string[] = [],
    second: readonly string[] = [],
    pointer: string,
    error = true,
  ): void => {
    second.forEach((name, at) => {
      if (!first.includes(name)) return;
      findings[error ? 'error' : 'warn']('POLICY_CONFLICT', `${name} is both ${what}`, {
        pointer: `${pointer}/${at}`,
        suggestion: 'Keep one of the two',
      });
    });
  };
  clash('required and forbidden', selection?.require, selection?.forbid, '/planner/selection/forbid');
  clash('preferred and forbidden', selection?.prefer, selection?.forbid, '/planner/selection/forbid');
  clash('preferred and to be avoided', selection?.prefer, selection?.avoid, '/planner/selection/avoid');
  clash('required and to be avoided', selection?.require, selection?.avoid, '/planner/selection/avoid', false);
  clash(
    'a required and a forbidden kind',
    topology?.requiredKinds,
    topology?.forbiddenKinds,
    '/planner/topology/forbiddenKinds',
  );
  const { maxDepth, requiredKinds } = topology ?? {};
  if (
    maxDepth !== undefined &&
    policies.budget?.maxNodes !== undefined &&
    requiredKinds !== undefined &&
    requiredKinds.length > policies.budget.maxNodes
  ) {
    findings.error(
      'POLICY_CONFLICT',
      `${requiredKinds.length} kinds are required, and only ${policies.budget.maxNodes} nodes allowed`,
      { pointer: '/budget/maxNodes' },
    );
  }
  duplicates(policies.planner?.branches ?? [], '/planner/branches', 'branches', findings);
  duplicates(policies.runtime ?? [], '/runtime', 'policies', findings);
  (policies.runtime ?? []).forEach((policy, at) => checkAction(policy.action, `/runtime/${at}/action`, 0, findings));
  checkTriggers(policies.runtime ?? [], findings);
  if (topology?.variantCount !== undefined)
    checkVariants(topology.variantCount, policies.planner?.branches?.length ?? 0, contract, findings);
}

function duplicates(items: readonly { id: string }[], pointer: string, what: string, findings: Findings): void {
  const seen = new Set<string>();
  items.forEach(({ id }, at) => {
    if (seen.has(id))
      findings.error('POLICY_CONFLICT', `Two ${what} have the id ${id}`, {
        pointer: `${pointer}/${at}/id`,
        suggestion: 'Give each an id of its own',
      });
    seen.add(id);
  });
}

function checkAction(action: Action, pointer: string, depth: number, findings: Findings): void {
  if (action.type !== 'hitl') return;
  if (depth >= MAX_NESTED_QUESTIONS) {
    findings.error('POLICY_INVALID', `Questions are nested more than ${MAX_NESTED_QUESTIONS} deep`, { pointer });
    return;
  }
  if (action.approveAction) checkAction(action.approveAction, `${pointer}/approveAction`, depth + 1, findings);
  if (action.rejectAction) checkAction(action.rejectAction, `${pointer}/rejectAction`, depth + 1, findings);
}

/** A selector on an occasion that has no node can never match. */
function checkTriggers(policies: readonly RuntimePolicy[], findings: Findings): void {
  policies.forEach(({ id, trigger }, at) => {
    if (trigger.kind !== 'onStart' && trigger.kind !== 'manual') return;
    if (Object.values(trigger.selector ?? {}).every((part) => part === undefined)) return;
    findings.error(
      'POLICY_CONFLICT',
      `The policy ${id} is triggered by ${trigger.kind}, which concerns no node, and selects one`,
      {
        pointer: `/runtime/${at}/trigger/selector`,
        suggestion: 'Leave out the selector, or use onNodeComplete',
      },
    );
  });
}

/** The lists that a contract allows must be able to hold as many variants as the policy asks for, in each of its branches. */
function checkVariants(
  count: number,
  branches: number,
  contract: OutputContract | undefined,
  findings: Findings,
): void {
  if (contract?.mode !== 'json_schema') return;
  const root = shapeOf(contract.schema);
  const lists = [['', root] as const, ...root.properties].filter(([, shape]) => shape.types.has('array'));
  // With several lists in the contract nobody can say which one holds the variants, unless it says so by its name.
  const meant = lists.length === 1 ? lists : lists.filter(([name]) => /variant/i.test(name));
  const times = Math.max(1, branches);
  for (const [name, { minItems = 0, maxItems = Infinity }] of meant) {
    const tooMany = count * times > maxItems;
    if (!tooMany && count * times >= minItems) continue;
    const fitting = tooMany ? Math.trunc(maxItems / times) : Math.ceil(minItems / times);
    findings.error(
      'POLICY_CONFLICT',
      `variantCount is ${count}${times > 1 ? ` in each of ${times} branches` : ''}, and the output contract allows ${tooMany ? `at most ${maxItems}` : `no fewer than ${minItems}`} items${name ? ` in ${name}` : ''}`,
      {
        pointer: '/planner/topology/variantCount',
        suggestion: `${fitting > 0 ? `Set variantCount to ${fitting}` : 'Ask for fewer branches'}, or change the contract`,
      },
    );
  }
}
