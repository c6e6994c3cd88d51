import { defineCapability, startWorker, type RunningWorker } from '@flex/worker-sdk';
import { resumesExactly, wellFormed } from '../harness/expectations.js';
import { target } from '../harness/target.js';

const STEPS = ['a', 'b', 'slow', 'c', 'd'];

/** A worker goes on by itself from step to step; to a client the run looks as if each had been sent to it. */
describe('A chain of quick steps of one capability', () => {
  const http = target.http();
  let worker: RunningWorker;

  beforeAll(async () => {
    worker = await startWorker({
      natsUrl: target.natsUrl(),
      facets: [{ name: 'chainTrail', direction: 'bidirectional', schema: { type: 'string' } }],
      capabilities: [
        defineCapability(
          {
            ...{ capabilityId: 'chain.walk', version: '1', displayName: 'Walks', kind: 'execution', agentType: 'ai' },
            ...{ inputFacets: [{ facet: 'chainTrail', required: false }], outputFacets: ['chainTrail'] },
          },
          async ({ chainTrail }, { nodeId }) => {
            if (nodeId === 'slow') await new Promise((resolve) => setTimeout(resolve, 400));
            return { chainTrail: `${String(chainTrail)} ${nodeId}` };
          },
        ),
      ],
      signals: false,
    });
  });
  afterAll(() => worker?.stop());

  it('shows every step begin and end in order, and resumes at each frame', async () => {
    const stream = http.stream({
      objective: 'Walk',
      inputs: { chainTrail: 'from' },
      outputContract: { mode: 'facets', facets: ['chainTrail'] },
      plan: {
        nodes: STEPS.map((id) => ({
          ...{ id, kind: 'execution', capabilityId: 'chain.walk', label: id },
          ...{ inputFacets: ['chainTrail'], outputFacets: ['chainTrail'] },
        })),
        edges: STEPS.slice(1).map((to, i) => ({ from: STEPS[i]!, to })),
      },
    });
    const frames = await stream.completed();
    wellFormed(stream);
    expect(frames.at(-1)!.payload).toMatchObject({ output: { chainTrail: 'from a b slow c d' } });
    const told = frames.filter(({ type }) => type.startsWith('node_')).map(({ type, nodeId }) => `${type} ${nodeId}`);
    expect(told).toEqual(STEPS.flatMap((id) => [`node_start ${id}`, `node_complete ${id}`]));
    await resumesExactly(http, stream);
    const { runId } = frames[0]!;
    type Told = { type: string; data: { nodeId: string; next?: { nodeId: string }[]; further?: { nodeId: string }[] } };
    const { items } = await http.ok<{ items: Told[] }>('GET', `/api/v1/flex/runs/${runId}/events`);
    const of = (type: string) => items.filter((event) => event.type === type).map(({ data }) => data);
    expect(of('node.dispatched')[0]).toMatchObject({ nodeId: 'a', next: STEPS.slice(1).map((nodeId) => ({ nodeId })) });
    // How far it comes by itself is a matter of time; each step is done once, and what follows the slow one is sent.
    const done = of('node.reported').flatMap(({ nodeId, further = [] }) => [
      nodeId,
      ...further.map((one) => one.nodeId),
    ]);
    expect(done).toEqual(STEPS);
    expect(of('node.dispatched').map(({ nodeId }) => nodeId)).toContain('c');
    const run = await http.ok<{ nodes: Record<string, { status: string; durationMs: number }> }>(
      'GET',
      `/api/v1/flex/runs/${runId}`,
    );
    expect(Object.values(run.nodes).map(({ status }) => status)).toEqual(STEPS.map(() => 'completed'));
    expect(run.nodes['slow']!.durationMs).toBeGreaterThanOrEqual(400);
  });
});
