import type { PlannerDraft } from '@flex/contracts';
import { Scenario } from '../simulation/scenario.js';

/** A capability that matches only weakly does the work, and a person confirms what it made. */
const plan: PlannerDraft = {
  nodes: [
    {
      id: 'weak',
      kind: 'execution',
      derivedFrom: 'sim.one',
      label: 'Weak match',
      inputFacets: [],
      outputFacets: ['text', 'score'],
    },
    {
      id: 'confirm',
      kind: 'fallback',
      label: 'A person confirms',
      inputFacets: ['text', 'score'],
      outputFacets: ['text', 'score'],
    },
  ],
  edges: [{ from: 'weak', to: 'confirm', facets: ['text', 'score'], condition: true }],
};
const made = { text: 'made', score: 0.5 };

describe('a derived node', () => {
  it('is worked on by the capability that it is derived from, and confirmed as it is by an approval', () => {
    const run = new Scenario({ plan });
    expect(run.then()).toEqual(['plan.generated', 'node.dispatched']);
    expect(run.last('node.dispatched')!.data).toMatchObject({ nodeId: 'weak', capabilityId: 'sim.one' });
    expect(run.report('weak', made).then()).toEqual(['hitl.requested']);
    const { task } = run.last('hitl.requested')!.data;
    expect(task).toMatchObject({ nodeId: 'confirm', kind: 'output', context: made });
    run.given('hitl.resolved', { taskId: task.taskId, resolution: 'approve' });
    expect(run.then()).toContain('run.completed');
    expect(run.last('run.completed')!.data.output).toEqual({ text: 'made' });
  });

  it('takes what the person gives instead', () => {
    const run = new Scenario({ plan });
    run.then();
    run.report('weak', made).then();
    const { taskId } = run.last('hitl.requested')!.data.task;
    run.given('hitl.resolved', { taskId, resolution: 'output', output: { text: 'better', score: 1 } });
    expect(run.then()).toContain('run.completed');
    expect(run.last('run.completed')!.data.output).toEqual({ text: 'better' });
  });

  it('stays without its capability until a plan does without that: a plan made for another reason settles nothing', () => {
    const first = { id: 'first', kind: 'execution' as const, capabilityId: 'sim.two', label: 'first', inputFacets: [] };
    const nodes = [{ ...first, outputFacets: ['text', 'score'] }, ...plan.nodes];
    const run = new Scenario({ plan: { nodes, edges: [{ from: 'first', to: 'weak' }, ...plan.edges!] } });
    run.then();
    run.given('run.replan_requested', { rationale: 'shorter' });
    const { requestId, attempt } = run.last('plan.requested')!.data;
    run.given('run.capability_lost', { capabilityId: 'sim.one', nodes: ['weak'] });
    run.then();
    run.given('plan.drafted', {
      requestId,
      attempt,
      delta: { baseVersion: 1, operations: [{ op: 'replaceNode', node: { ...nodes[1]!, label: 'Weak, shorter' } }] },
    });
    expect(run.then()).toEqual(['plan.updated', 'plan.requested']);
    expect(run.last('plan.requested')!.data).toMatchObject({
      cause: { kind: 'capability_lost', nodeId: 'weak' },
      replan: { exclude: ['sim.one'] },
    });
  });
});
