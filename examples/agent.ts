/** An agent in twenty lines. Beside a running stack: `./flex exec node examples/agent.ts` (NATS_URL says where it is). */
import { defineCapability, startWorker } from '@flex/worker-sdk';

const haiku = defineCapability(
  {
    capabilityId: 'example.haiku',
    version: '1.0.0',
    displayName: 'Haiku writer',
    kind: 'execution',
    agentType: 'ai',
    inputFacets: [{ facet: 'objectiveBrief' }, { facet: 'toneOfVoice', required: false }],
    outputFacets: ['copyVariants'],
    traits: { channels: ['poetry'], contentTypes: ['haiku'] },
  },
  async (inputs, ctx) => {
    ctx.progress({ fraction: 0.5, message: 'Counting syllables' });
    const { objective } = inputs.objectiveBrief as { objective: string };
    return {
      copyVariants: [
        { headline: objective, body: 'An old silent pond,\na plan is proven, then runs:\nthe log remembers.' },
      ],
    };
  },
);

await startWorker({ capabilities: [haiku] });
