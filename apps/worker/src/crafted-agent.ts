import type { Capability } from '@flex/contracts';
import type { Handler } from '@flex/worker-sdk';
import { perform } from './core/agents.js';

/** An agent without a model: the same inputs give the same outputs. */
export function craftedAgent({ displayName }: Capability): Handler {
  return (inputs, context) => {
    const { instruction = '', outputFacets, outputSchema } = context;
    const outputs = perform({ inputs, instruction, outputFacets, outputSchema });
    context.progress({ fraction: 1, message: `${displayName} is done` });
    return outputs;
  };
}
