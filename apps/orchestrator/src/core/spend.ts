import type { Usage } from '@flex/contracts';
import type { RunState } from './state.js';

/** Tokens and money that a planner or worker reports count against the run's budget. */
export function spend(state: RunState, usage: Usage | undefined): void {
  if (!usage) return;
  state.spent.tokens += (usage.inputTokens ?? 0) + (usage.outputTokens ?? 0);
  state.spent.cost += usage.cost ?? 0;
}
