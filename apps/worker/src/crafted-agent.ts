import type { Handler } from '@flex/worker-sdk';
import { perform } from './core/agents.js';

/** An agent without a model: the same inputs give the same outputs. */
export const craftedAgent: Handler = (inputs, context) => {
  const { instruction = '', outputFacets, outputSchema } = context;
  return perform({ inputs, instruction, outputFacets, outputSchema });
};
