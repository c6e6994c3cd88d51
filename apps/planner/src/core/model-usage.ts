import type { Usage } from '@flex/contracts';

/** What the provider counted for one or several calls. */
export interface TokenUsage {
  inputTokens: number;
  outputTokens: number;
}

/** Prices per million tokens, in a currency of the operator's. */
export interface Prices {
  inputPerMillion: number;
  outputPerMillion: number;
}

/** Usage with its cost; the cost is left out when no prices are configured, rather than claimed to be nothing. */
export function priced(usage: TokenUsage, model: string, prices: Prices): Usage {
  const { inputTokens, outputTokens } = usage;
  const cost = (inputTokens * prices.inputPerMillion + outputTokens * prices.outputPerMillion) / 1_000_000;
  return { inputTokens, outputTokens, model, ...(cost > 0 ? { cost } : {}) };
}

export const addUsage = (a: TokenUsage, b: TokenUsage): TokenUsage => ({
  inputTokens: a.inputTokens + b.inputTokens,
  outputTokens: a.outputTokens + b.outputTokens,
});

export const noUsage: TokenUsage = { inputTokens: 0, outputTokens: 0 };
