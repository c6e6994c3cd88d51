import type { Action, PlanNode } from '@flex/contracts';
import { fail } from './ending.js';
import { replan } from './plan-request.js';
import type { Step } from './step.js';

/** Wall time used up. */
export function decideBudget(step: Step): void {
  const { state, world } = step;
  const wall = state.policies!.budget.maxWallMs;
  if (wall !== undefined && !state.budgetLifted && world.now >= state.submittedAt + wall)
    actOnBudget(step, `the wall time of ${wall} ms is used up`);
}

/** Why starting the node would cross a hard limit of the run; undefined when it may start. */
export function wouldCross(step: Step, node: PlanNode): string | undefined {
  const { state } = step;
  const { maxTokens, maxCost, maxNodes } = state.policies!.budget;
  if (state.budgetLifted) return undefined;
  if (maxNodes !== undefined && state.spent.dispatched + step.dispatches >= maxNodes)
    return `the ${maxNodes} nodes are used up`;
  if (
    maxTokens !== undefined &&
    state.spent.tokens + underWay(step, 'tokens') + (node.estimate?.tokens ?? 0) > maxTokens
  )
    return `"${node.label}" would cross the ${maxTokens} tokens`;
  if (maxCost !== undefined && state.spent.cost + underWay(step, 'cost') + (node.estimate?.cost ?? 0) > maxCost)
    return `"${node.label}" would cross the cost of ${maxCost}`;
  return undefined;
}

const underWay = (step: Step, what: 'tokens' | 'cost'): number => {
  let sum = 0;
  for (const nodeId of [...step.state.active, ...step.dispatched]) sum += step.node(nodeId)?.estimate?.[what] ?? 0;
  return sum;
};

/** The budget's action, once: a person who approves lifts the limit. */
export function actOnBudget(step: Step, reason: string): void {
  const action: Action = step.state.policies!.budget.action;
  step.held = true;
  switch (action.type) {
    case 'hitl': {
      const taskId = `${step.state.runId}-${step.state.seq}-${step.size}`;
      step.emit('hitl.requested', `task:${taskId}`, {
        task: {
          taskId,
          kind: 'approval',
          prompt: action.rationale ?? `The budget of the run is reached: ${reason}. Approve to go on without limit.`,
          policyId: 'budget',
          approveAction: action.approveAction,
          rejectAction: action.rejectAction ?? { type: 'fail', message: `Budget: ${reason}` },
          planVersion: step.version,
          onTimeout: 'none',
          round: 0,
        },
      });
      return;
    }
    case 'pause':
      step.emit('run.paused', `paused:budget:${step.state.seq}`, {
        reason: action.reason ?? reason,
        policyId: 'budget',
      });
      return;
    case 'replan':
      return replan(step, {
        cause: { kind: 'policy', policyId: 'budget', rationale: action.rationale ?? reason },
        otherwise: (why) => fail(step, 'BUDGET_EXCEEDED', `Budget: ${reason}, and ${why}`),
      });
    default:
      return fail(
        step,
        'BUDGET_EXCEEDED',
        action.type === 'fail' && action.message ? `${action.message}: ${reason}` : `Budget: ${reason}`,
      );
  }
}
