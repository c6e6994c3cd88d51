import type { EventData } from '@flex/contracts';
import { planRequest } from '../testing/planning-fixtures.js';
import { draftedForLog } from './plan-log.js';

const node = {
  id: 'write',
  kind: 'execution' as const,
  label: 'Write',
  inputFacets: ['brief'],
  outputFacets: ['copy'],
};
const selection = { score: 0.8, threshold: 0.64, runnersUp: [], breakdown: {} } as never;
const answer = (rest: Partial<EventData<'plan.drafted'>>): EventData<'plan.drafted'> => ({
  requestId: 'r',
  attempt: 1,
  ...rest,
});

describe('the log line of a draft', () => {
  it('names capabilities, facets, scores and the version to be', () => {
    const draft = { nodes: [{ ...node, capabilityId: 'agent.write' }], metadata: { runtime: 'deterministic' } };
    const request = planRequest({ registry: { revision: 7, capabilities: [], facets: [] } });
    expect(draftedForLog(request, answer({ draft, selections: { write: selection } }))).toMatchObject({
      planVersion: 1,
      registryRevision: 7,
      runtime: 'deterministic',
      count: 1,
      nodes: [
        {
          node: 'write',
          capabilityId: 'agent.write',
          inputFacets: ['brief'],
          outputFacets: ['copy'],
          score: 0.8,
          threshold: 0.64,
        },
      ],
    });
  });

  it('of a delta names what is new, and the version after the one it changes', () => {
    const replan = { baseVersion: 3 } as EventData<'plan.requested'>['replan'];
    const operations = [
      { op: 'removeNode' as const, nodeId: 'old' },
      { op: 'addNode' as const, node: { ...node, derivedFrom: 'agent.near' } },
    ];
    const line = draftedForLog(
      planRequest({ phase: 'replan', replan }),
      answer({ delta: { baseVersion: 3, operations } }),
    );
    expect(line).toMatchObject({
      planVersion: 4,
      operations: 2,
      nodes: [{ node: 'write', derivedFrom: 'agent.near' }],
    });
  });

  it('stays short for large plans', () => {
    const nodes = Array.from({ length: 5000 }, (_, at) => ({ ...node, id: `n${at}` }));
    const line = draftedForLog(planRequest(), answer({ draft: { nodes } })) as { nodes: unknown[]; count: number };
    expect([line.nodes.length, line.count]).toEqual([50, 5000]);
  });
});
