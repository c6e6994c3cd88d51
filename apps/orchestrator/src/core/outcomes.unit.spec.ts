import type { NewEvent, PlannerDraft } from '@flex/contracts';
import { Scenario } from '../simulation/scenario.js';
import { outcomesOf } from './outcomes.js';

const plan: PlannerDraft = {
  nodes: [
    {
      id: 'a',
      kind: 'execution',
      capabilityId: 'sim.one',
      label: 'a',
      inputFacets: [],
      outputFacets: ['text', 'score'],
    },
  ],
};
const running = () => {
  const run = new Scenario({ plan });
  run.then();
  return run.state;
};
const failed = (code: string): NewEvent => ({
  type: 'node.failed',
  runId: 'r',
  id: 'x',
  data: { nodeId: 'a', attempt: 1, error: { code, message: code }, final: false },
});
const accepted = (outputs?: Record<string, never>): NewEvent => ({
  type: 'run.completed',
  runId: 'r',
  id: 'x',
  data: { output: null, accepted: [{ nodeId: 'a', attempt: 1, outputs }] },
});

describe('outcomes of calls', () => {
  it('are results taken over and attempts that failed, under the key of the dispatch', () => {
    expect(outcomesOf(running(), [accepted()])).toEqual([{ key: 'sim.one', succeeded: true }]);
    for (const code of ['TIMEOUT', 'OUTPUT_INVALID', 'WORKER_ERROR'])
      expect(outcomesOf(running(), [failed(code)])).toEqual([{ key: 'sim.one', succeeded: false }]);
  });

  it('leave out what is not the capability’s doing', () => {
    expect(outcomesOf(running(), [failed('INPUT_INVALID')])).toEqual([]);
    // What the engine made, or a person gave, carries its outputs.
    expect(outcomesOf(running(), [accepted({})])).toEqual([]);
    const retrying = running();
    retrying.nodes.get('a')!.status = 'retrying';
    expect(outcomesOf(retrying, [failed('BUDGET')])).toEqual([]);
  });
});
