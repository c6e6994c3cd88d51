import { defineCapability, startWorker } from '@flex/worker-sdk';
import { LIMITED_CONCURRENCY, LIMITED_MS } from './limited.js';

/** Agents of the benchmarks: one that does nothing, one that takes the time it is told to, one that can do little. */
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

/** The same by other names, in this process, and `apart` in one of its own. */
const alike = (capabilityId: string) => defineCapability({ ...noop.capability, capabilityId }, noop.handler);
const other = alike('bench.other');
const apart = alike('bench.apart');

const opened = new Promise<void>((resolve) => process.once('message', () => resolve()));
/** Waits for all others: until the benchmark says so. */
const gate = defineCapability(
  {
    ...noop.capability,
    capabilityId: 'bench.gate',
    displayName: 'Waits for all others',
    timeoutMs: 3_600_000,
    concurrency: 256,
  },
  async () => {
    await opened;
    return { benchTick: 1 };
  },
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

/** Waits for something outside, as a call of a model does, and for so many at once only. */
const limited = defineCapability(
  {
    capabilityId: 'bench.limited',
    version: '1',
    displayName: 'Waits, for few at once',
    kind: 'execution',
    agentType: 'ai',
    inputFacets: [],
    outputFacets: ['benchDone'],
    heartbeat: { intervalSeconds: 5 },
    concurrency: LIMITED_CONCURRENCY,
  },
  async () => {
    await new Promise((resolve) => setTimeout(resolve, LIMITED_MS));
    return { benchDone: 1 };
  },
);

await startWorker({
  capabilities: process.argv[3] === 'apart' ? [apart] : [noop, other, gate, sleep, limited],
  facets: [
    { name: 'benchTick', title: 'Tick', schema: { type: 'number' }, direction: 'bidirectional' },
    { name: 'benchDone', title: 'Done', schema: { type: 'number' }, direction: 'bidirectional' },
    { name: 'benchMs', title: 'Milliseconds', schema: { type: 'number', minimum: 0 }, direction: 'bidirectional' },
  ],
  natsUrl: process.argv[2]!,
});
process.send?.('ready');
process.on('disconnect', () => process.kill(process.pid, 'SIGTERM'));
