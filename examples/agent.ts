/** An agent in twenty lines. Beside a running stack: `./flex exec node examples/agent.ts` (NATS_URL says where it is). */
import { defineCapability, startWorker } from '@flex/worker-sdk';

const poem = 'An old silent pond,\na plan is proven, then runs:\nthe log remembers.';
const haiku = defineCapability(
  {
    capabilityId: 'example.haiku',
    version: '1.0.0',
    displayName: 'Haiku writer',
    kind: 'execution',
    agentType: 'ai',
    inputFacets: [{ facet: 'objectiveBrief' }],
    outputFacets: ['copyVariants'],
    traits: { channels: ['poetry'], contentTypes: ['haiku'] },
  },
  async ({ objectiveBrief }, ctx) => {
    ctx.progress({ fraction: 0.5, message: 'Counting syllables' });
    return { copyVariants: [{ headline: (objectiveBrief as { objective: string }).objective, body: poem }] };
  },
);
await startWorker({ capabilities: [haiku] });
