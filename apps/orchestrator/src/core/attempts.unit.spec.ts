import type { PlannerDraft } from '@flex/contracts';
import { normalizePolicies } from '@flex/planning';
import { Scenario } from '../simulation/scenario.js';
import { isFinal } from './is-final.js';

const node = (id: string, capabilityId = 'sim.one') => ({
  id,
  kind: 'execution' as const,
  capabilityId,
  label: id,
  inputFacets: [],
  outputFacets: ['text', 'score'],
});
const plan: PlannerDraft = { nodes: [node('a'), node('b')], edges: [{ from: 'a', to: 'b' }] };
const error = (code: 'CYCLE' | 'CAPABILITY_INACTIVE') => ({ code, severity: 'error' as const, message: code });

/** A run on a planner's draft, with policies. */
function planned(runtime: unknown[]): Scenario {
  const policies = { runtime } as never;
  const run = new Scenario({ policies }).given('policy.normalized', {
    policies: normalizePolicies(policies).policies!,
  });
  return answer(run, { draft: plan });
}
function answer(run: Scenario, proposal: { draft?: PlannerDraft; delta?: never }): Scenario {
  const { requestId, attempt } = run.last('plan.requested')!.data;
  return run.given('plan.drafted', { requestId, attempt, ...proposal });
}
function noIdea(run: Scenario): Scenario {
  const { requestId, attempt } = run.last('plan.requested')!.data;
  return run.given('plan.draft_failed', { requestId, attempt, reason: 'no idea', diagnostics: [error('CYCLE')] });
}

describe('a refused attempt', () => {
  it('is the last when the rules alone made it and nothing can have changed', () => {
    const byRules = { nodes: [], metadata: { runtime: 'deterministic' } };
    const byModel = { nodes: [], metadata: { runtime: 'llm' } };
    expect(isFinal({ draft: byRules, diagnostics: [error('CYCLE')] })).toBe(true);
    expect(isFinal({ draft: byRules, diagnostics: [error('CAPABILITY_INACTIVE')] })).toBe(false);
    expect(isFinal({ draft: byModel, diagnostics: [error('CYCLE')] })).toBe(false);
    expect(isFinal({ diagnostics: [error('CYCLE')] })).toBe(true);
  });

  it('leads to a person at once when there is nothing to revise', () => {
    const run = new Scenario();
    expect(run.then()).toEqual(['plan.requested']);
    expect(noIdea(run).then()).toEqual(['plan.rejected', 'hitl.requested']);
  });

  it('of a replan: the person who says "again" gets the same question once more, and the run goes on', () => {
    const run = planned([
      {
        id: 'low',
        trigger: { kind: 'onNodeComplete', selector: { nodeId: 'a' } },
        action: { type: 'replan', rationale: 'too low' },
      },
    ]).report('a', { text: 'x', score: 0.1 });
    run.verdict({ policyId: 'low', action: { type: 'replan', rationale: 'too low' } });
    noIdea(run).then();
    expect(run.status).toBe('awaiting_human');
    const { taskId } = run.last('hitl.requested')!.data.task;
    run.given('hitl.resolved', { taskId, resolution: 'approve' });
    expect(run.then()).toEqual(['hitl.closed', 'plan.requested']);
    expect(run.last('plan.requested')!.data).toMatchObject({
      phase: 'replan',
      attempt: 1,
      cause: { kind: 'policy', policyId: 'low', rationale: 'too low' },
    });
    expect(run.state.replans).toBe(1);
    const { requestId } = run.last('plan.requested')!.data;
    run.given('plan.drafted', {
      requestId,
      attempt: 1,
      delta: { baseVersion: 1, operations: [{ op: 'addNode', node: node('c') }] },
    });
    expect(run.then()).toEqual(['plan.updated', 'node.dispatched', 'node.dispatched']);
  });
});

describe('a metric with a name of its own', () => {
  const watched = () =>
    planned([
      {
        id: 'q',
        trigger: { kind: 'onMetricBelow', metric: 'quality', threshold: 0.5 },
        action: { type: 'emit', event: 'e' },
      },
    ]);

  it('is judged when it is signalled, and not again with each node that completes', () => {
    const run = watched().given('policy.signalled', { kind: 'metric', metric: 'quality', value: 0.1 });
    run.verdict({ policyId: 'q', action: { type: 'emit', event: 'e' } }).then();
    expect(run.report('a', { text: 'x', score: 1 }).then()).toEqual(['node.dispatched']);
  });

  it('is judged when a report brings it', () => {
    const run = watched();
    run.then();
    const { attempt } = run.last('node.dispatched')!.data;
    const { key } = run.last('node.dispatched')!;
    run.given(
      'node.reported',
      { nodeId: 'a', attempt, outputs: { text: 'x', score: 1 }, metrics: { quality: 0.2 } },
      key,
    );
    expect(run.then()).toEqual(['policy.requested']);
    expect(run.last('policy.requested')!.data).toMatchObject({ context: { metrics: { quality: 0.2 } } });
  });
});
