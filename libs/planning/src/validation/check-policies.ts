import type { Action, DraftNode, NormalizedPolicies, PlannerDraft, RegistrySnapshot } from '@flex/contracts';
import { nearestName } from '../naming/nearest-name.js';
import { capabilityOf } from './capability-use.js';
import { indexSnapshot } from './snapshot-index.js';
import type { Findings } from './findings.js';

type Draft = Pick<PlannerDraft, 'nodes'>;

/** Whether the draft keeps to the planner policies: capabilities, kinds, depth, branches; and whether gotos lead anywhere. */
export function checkPolicies(
  draft: Draft,
  policies: NormalizedPolicies,
  snapshot: RegistrySnapshot,
  depth: { longest: number; deepest?: string },
  findings: Findings,
): void {
  checkSelection(draft, policies, snapshot, findings);
  checkKinds(draft, policies, snapshot, findings);
  const { maxDepth } = policies.planner.topology;
  if (maxDepth !== undefined && depth.longest > maxDepth) {
    findings.error('DEPTH_EXCEEDED', `The plan is ${depth.longest} nodes deep; the policy allows ${maxDepth}`, {
      nodeId: depth.deepest,
      pointer: '/policies/planner/topology/maxDepth',
      suggestion: 'Let nodes that do not need each other run side by side, or leave nodes out',
    });
  }
  policies.planner.branches.forEach((branch, at) => {
    if (draft.nodes.some((node) => node.branchId === branch.id)) return;
    findings.error('BRANCH_MISSING', `No node belongs to the branch ${branch.id} (${branch.label})`, {
      pointer: `/policies/planner/branches/${at}`,
      suggestion: `Add nodes with branchId ${branch.id}`,
    });
  });
  checkTargets(draft, policies, findings);
}

function checkSelection(
  draft: Draft,
  { planner }: NormalizedPolicies,
  snapshot: RegistrySnapshot,
  findings: Findings,
): void {
  const { nearestCapability } = indexSnapshot(snapshot);
  const notRegistered = (id: string): string | undefined => {
    if (snapshot.capabilities.has(id)) return undefined;
    const near = nearestCapability(id);
    return `It is not registered${near.length > 0 ? `; did you mean ${near.join(' or ')}?` : ''}`;
  };
  for (const list of ['forbid', 'avoid', 'prefer'] as const) {
    planner.selection[list].forEach((id, at) => {
      // A ban that names nothing by mistake would ban nothing, without a word.
      if (snapshot.capabilities.has(id) || nearestCapability(id).length === 0) return;
      findings.warn('POLICY_UNKNOWN', `The policy names ${id} to ${list}`, {
        capabilityId: id,
        pointer: `/policies/planner/selection/${list}/${at}`,
        suggestion: notRegistered(id),
      });
    });
  }
  const used = new Set<string>();
  for (const node of draft.nodes) {
    for (const id of [node.capabilityId, node.derivedFrom]) if (id !== undefined) used.add(id);
  }
  planner.selection.require.forEach((id, at) => {
    if (used.has(id)) return;
    findings.error('POLICY_REQUIRED_MISSING', `The policy requires ${id}, and no node uses it`, {
      capabilityId: id,
      pointer: `/policies/planner/selection/require/${at}`,
      suggestion: notRegistered(id) ?? `Add a node of capability ${id}`,
    });
  });
  const [forbidden, avoided] = [new Set(planner.selection.forbid), new Set(planner.selection.avoid)];
  if (forbidden.size === 0 && avoided.size === 0) return;
  draft.nodes.forEach((node, number) => {
    for (const [id, at] of [
      [node.capabilityId, 'capabilityId'],
      [node.derivedFrom, 'derivedFrom'],
      ...(node.fallback ?? []).map((id, index) => [id, `fallback/${index}`]),
    ] as [string | undefined, string][]) {
      if (id === undefined) continue;
      const details = { nodeId: node.id, capabilityId: id, pointer: `/nodes/${number}/${at}` };
      if (forbidden.has(id))
        findings.error('POLICY_FORBIDDEN', `The policy forbids ${id}`, {
          ...details,
          suggestion: 'Use another capability',
        });
      else if (avoided.has(id)) findings.inform('POLICY_FORBIDDEN', `The policy would rather avoid ${id}`, details);
    }
  });
}

/**
 * A node counts as what it says and as what its capability is: a writer that is called a reviewer neither gives the plan
 * a review nor gets past a ban on writers.
 */
function checkKinds(
  draft: Draft,
  { planner: { topology } }: NormalizedPolicies,
  snapshot: RegistrySnapshot,
  findings: Findings,
): void {
  const kindOf = (node: DraftNode): string | undefined => capabilityOf(node, snapshot)?.kind;
  const isOf = (node: DraftNode, kind: string): boolean =>
    node.kind === kind && (kind === 'fallback' || kind === 'branch' || (kindOf(node) ?? kind) === kind);
  (topology.requiredKinds ?? []).forEach((kind, at) => {
    if (draft.nodes.some((node) => isOf(node, kind))) return;
    findings.error('KIND_REQUIRED_MISSING', `The policy requires a ${kind} node`, {
      pointer: `/policies/planner/topology/requiredKinds/${at}`,
      suggestion: `Add a node of kind ${kind}, with a capability of that kind`,
    });
  });
  const forbidden = new Set<string>(topology.forbiddenKinds ?? []);
  if (forbidden.size === 0) return;
  draft.nodes.forEach((node, number) => {
    const kind = [node.kind, kindOf(node)].find((each) => each !== undefined && forbidden.has(each));
    if (kind !== undefined) {
      findings.error('KIND_FORBIDDEN', `The policy forbids ${kind} nodes`, {
        nodeId: node.id,
        pointer: `/nodes/${number}/kind`,
      });
    }
  });
}

/** Nodes that a goto means: the one of that id, else all of that capability. */
export function gotoTargets(nodes: readonly Pick<DraftNode, 'id' | 'capabilityId'>[], next: string): string[] {
  if (nodes.some((node) => node.id === next)) return [next];
  return nodes.filter((node) => node.capabilityId === next).map((node) => node.id);
}

function checkTargets(draft: Draft, policies: NormalizedPolicies, findings: Findings): void {
  const check = (action: Action, pointer: string): void => {
    if (action.type === 'hitl') {
      if (action.approveAction) check(action.approveAction, `${pointer}/approveAction`);
      if (action.rejectAction) check(action.rejectAction, `${pointer}/rejectAction`);
    }
    if (action.type !== 'goto' || gotoTargets(draft.nodes, action.next).length > 0) return;
    const names = draft.nodes.flatMap((node) => [node.id, ...(node.capabilityId ? [node.capabilityId] : [])]);
    const meant = nearestName(action.next, names);
    findings.error(
      'UNKNOWN_NODE',
      `A policy goes to ${action.next}, and the plan has neither a node nor a capability of that name`,
      {
        nodeId: action.next,
        pointer: `${pointer}/next`,
        suggestion: meant === undefined ? `Name a node ${action.next}` : `Did you mean ${meant}?`,
      },
    );
  };
  policies.runtime.forEach((policy, at) => {
    if (!policy.enabled) return;
    check(policy.action, `/policies/runtime/${at}/action`);
    const nodeId = policy.trigger.selector?.nodeId;
    if (nodeId !== undefined && !draft.nodes.some((node) => node.id === nodeId)) {
      findings.warn(
        'UNKNOWN_NODE',
        `The policy ${policy.id} watches the node ${nodeId}, which the plan does not have`,
        {
          nodeId,
          pointer: `/policies/runtime/${at}/trigger/selector/nodeId`,
        },
      );
    }
  });
  check(policies.budget.action, '/policies/budget/action');
}

/** Whether the plan's estimates fit its limits. Unknown costs count as none: the run itself stops before a limit. */
export function checkBudget(
  draft: Draft,
  policies: NormalizedPolicies,
  snapshot: RegistrySnapshot,
  slowestMs: number,
  findings: Findings,
): void {
  const { optimisation } = policies.planner;
  const { budget } = policies;
  if (budget.maxNodes !== undefined && draft.nodes.length > budget.maxNodes) {
    findings.error(
      'BUDGET_EXCEEDED',
      `The plan has ${draft.nodes.length} nodes; the budget allows ${budget.maxNodes}`,
      { pointer: '/policies/budget/maxNodes' },
    );
  }
  let [tokens, cost] = [0, 0];
  let dearest: { nodeId: string; tokens: number } | undefined;
  for (const node of draft.nodes) {
    const estimate = estimateOf(capabilityOf(node, snapshot)?.cost);
    tokens += estimate?.tokens ?? 0;
    cost += estimate?.cost ?? 0;
    if ((estimate?.tokens ?? 0) > (dearest?.tokens ?? 0)) dearest = { nodeId: node.id, tokens: estimate!.tokens! };
  }
  const limits = [
    ['tokens', tokens, optimisation.maxTokens, '/policies/planner/optimisation/maxTokens'],
    ['tokens', tokens, budget.maxTokens, '/policies/budget/maxTokens'],
    ['cost', cost, optimisation.maxCost, '/policies/planner/optimisation/maxCost'],
    ['cost', cost, budget.maxCost, '/policies/budget/maxCost'],
  ] as const;
  for (const [what, estimated, limit, pointer] of limits) {
    if (limit === undefined || estimated <= limit) continue;
    findings.error(
      'BUDGET_EXCEEDED',
      `The plan's estimated ${what} of ${round(estimated)} exceed the limit of ${limit}`,
      {
        pointer,
        nodeId: dearest?.nodeId,
        suggestion:
          dearest === undefined
            ? undefined
            : `The most tokens go to ${dearest.nodeId} (${dearest.tokens}); use a cheaper capability there`,
      },
    );
  }
  if (budget.maxWallMs !== undefined && slowestMs > budget.maxWallMs) {
    findings.warn(
      'BUDGET_EXCEEDED',
      `The slowest path is estimated at ${slowestMs} ms; the budget allows ${budget.maxWallMs}`,
      { pointer: '/policies/budget/maxWallMs' },
    );
  }
}

const round = (value: number): number => Math.round(value * 1e6) / 1e6;

export function estimateOf(
  cost: { estimatedTokens?: number; pricePer1kTokens?: number; estimatedMs?: number } | undefined,
): { tokens?: number; cost?: number; ms?: number } | undefined {
  if (cost === undefined) return undefined;
  const { estimatedTokens: tokens, pricePer1kTokens: price, estimatedMs: ms } = cost;
  if (tokens === undefined && ms === undefined) return undefined;
  return {
    ...(tokens === undefined ? {} : { tokens }),
    ...(tokens === undefined || price === undefined ? {} : { cost: (tokens / 1000) * price }),
    ...(ms === undefined ? {} : { ms }),
  };
}
