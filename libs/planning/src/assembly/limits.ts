import type { NormalizedPolicies, PlannerDiagnostic, RegisteredCapability } from '@flex/contracts';
import type { StepGraph } from './step-graph.js';

/** The plan against the policy's depth. */
export function depthFindings(graph: StepGraph, { planner }: NormalizedPolicies): PlannerDiagnostic[] {
  const { maxDepth } = planner.topology;
  if (maxDepth === undefined) return [];
  const depth = graph.depth();
  if (depth <= maxDepth) return [];
  return [
    {
      code: 'DEPTH_EXCEEDED',
      severity: 'error',
      message: `The shallowest plan has ${depth} nodes on its longest path; the policy allows ${maxDepth}`,
      pointer: '/policies/planner/topology/maxDepth',
      suggestion: `Allow a depth of ${depth}, give more of what is needed as inputs, or ask for less`,
    },
  ];
}

/** The plan's estimates against the policy's limits of tokens and cost. */
export function budgetFindings(graph: StepGraph, { planner, budget }: NormalizedPolicies): PlannerDiagnostic[] {
  const { tokens, cost } = estimateOf(graph.drafted.flatMap((step) => step.capability ?? []));
  const limits = [
    ['tokens', tokens, planner.optimisation.maxTokens, '/policies/planner/optimisation/maxTokens'],
    ['cost', cost, planner.optimisation.maxCost, '/policies/planner/optimisation/maxCost'],
    ['tokens', tokens, budget.maxTokens, '/policies/budget/maxTokens'],
    ['cost', cost, budget.maxCost, '/policies/budget/maxCost'],
  ] as const;
  return limits
    .filter(([, needed, limit]) => limit !== undefined && needed > limit)
    .map(([what, needed, limit, pointer]) => ({
      code: 'BUDGET_EXCEEDED',
      severity: 'error',
      message: `The plan needs an estimated ${what} of ${Math.round(needed * 1000) / 1000}; the policy allows ${limit}`,
      pointer,
      suggestion: `Allow more, or plan with the objective token_efficiency`,
    }));
}

export function estimateOf(capabilities: readonly RegisteredCapability[]): { tokens: number; cost: number } {
  let tokens = 0;
  let cost = 0;
  for (const capability of capabilities) {
    const estimated = capability.cost?.estimatedTokens ?? 0;
    tokens += estimated;
    cost += (estimated / 1000) * (capability.cost?.pricePer1kTokens ?? 0);
  }
  return { tokens, cost };
}

/** Which of the policy's limits capabilities together would cross. */
export function crossedLimit(
  capabilities: readonly RegisteredCapability[],
  { planner, budget }: NormalizedPolicies,
): 'tokens' | 'price' | undefined {
  const { tokens, cost } = estimateOf(capabilities);
  const over = (needed: number, ...limits: (number | undefined)[]): boolean =>
    limits.some((limit) => limit !== undefined && needed > limit);
  if (over(tokens, planner.optimisation.maxTokens, budget.maxTokens)) return 'tokens';
  return over(cost, planner.optimisation.maxCost, budget.maxCost) ? 'price' : undefined;
}
