import { defineCapability, startWorker } from '@flex/worker-sdk';

/** Agents of the benchmarks: one that does nothing, one that takes the time it is told to. */
const noop = defineCapability(
  {
    capabilityId: 'bench.noop',
    version: '1',
    displayName: 'Nothing',
    kind: 'execution',
    agentType: 'ai',
    inputFacets: [],
    outputFacets: ['benchTick'],
    heartbeat: { intervalSeconds: 5 },
  },
  () => Promise.resolve({ benchTick: 1 }),
);

const sleep = defineCapability(
  {
    capabilityId: 'bench.sleep',
    version: '1',
    displayName: 'Takes its time',
    kind: 'execution',
    agentType: 'ai',
    inputFacets: [{ facet: 'benchMs', required: true }],
    outputFacets: ['benchTick'],
    heartbeat: { intervalSeconds: 5 },
    concurrency: 1000,
  },
  async (inputs) => {
    await new Promise((resolve) => setTimeout(resolve, Number(inputs['benchMs'])));
    return { benchTick: 1 };
  },
);

await startWorker({
  capabilities: [noop, sleep],
  facets: [
    { name: 'benchTick', title: 'Tick', schema: { type: 'number' }, direction: 'bidirectional' },
    { name: 'benchMs', title: 'Milliseconds', schema: { type: 'number', minimum: 0 }, direction: 'bidirectional' },
  ],
  natsUrl: process.argv[2]!,
});
process.send?.('ready');
process.on('disconnect', () => process.kill(process.pid, 'SIGTERM'));
