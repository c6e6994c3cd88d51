import type { EventData, ResolveBody } from '@flex/contracts';
import { dispatched, generated, submitted, TestRun, updated } from '../testing/stored-events.js';
import { explain } from './explanation.js';
import { forkPoint } from './fork-seed.js';
import { planVersions } from './plan-history.js';
import { answerEvent, answerIssues } from './task-answer.js';
import type { TaskView } from './run-summary.js';

const request = (attempt: number, phase: 'initial' | 'replan') =>
  ({ attempt, phase, cause: { kind: 'initial' } }) as EventData<'plan.requested'>;

/** Refused once, planned, failed once, replanned by a policy, completed. */
function eventful(): TestRun {
  const run = new TestRun();
  run.add('run.submitted', submitted());
  run.add('plan.requested', request(1, 'initial'));
  run.add('plan.drafted', {
    requestId: 'r1',
    attempt: 1,
    draft: { nodes: [], metadata: { runtime: 'llm', model: 'm' } },
  });
  run.add('plan.rejected', {
    requestId: 'r1',
    attempt: 1,
    phase: 'initial',
    diagnostics: [{ code: 'CYCLE', severity: 'error', message: 'a cycle' }],
  });
  run.add('plan.requested', request(2, 'initial'));
  run.add('plan.generated', generated(['a', 'b']));
  run.add('node.dispatched', dispatched('a'));
  run.add('node.failed', { nodeId: 'a', attempt: 1, error: { code: 'TIMEOUT', message: 'slow' }, final: false });
  run.add('node.dispatched', dispatched('a', { attempt: 2 }));
  run.add('node.reported', {
    nodeId: 'a',
    attempt: 2,
    outputs: { copy: 'good' },
    durationMs: 42,
    usage: { inputTokens: 10, outputTokens: 5 },
  });
  run.add('policy.triggered', {
    requestId: 'q',
    policyId: 'quality',
    action: { type: 'replan' },
    evaluations: [{ policyId: 'quality', matched: true }],
    nodeId: 'a',
  });
  run.add('plan.requested', { ...request(1, 'replan'), accepted: [{ nodeId: 'a', attempt: 2 }] });
  run.add('plan.updated', updated(['c']));
  run.add('run.completed', { output: 'good' });
  return run;
}

describe('asking why', () => {
  const explanation = explain('01testrun', eventful().events);

  it('says which drafts were refused and why', () => {
    expect(explanation.planning).toMatchObject([
      { phase: 'initial', attempt: 1, outcome: 'rejected', planner: { model: 'm' }, diagnostics: [{ code: 'CYCLE' }] },
      { phase: 'initial', attempt: 2, outcome: 'accepted', version: 1 },
      { phase: 'replan', attempt: 1, outcome: 'accepted', version: 2 },
    ]);
  });

  it('says who changed the plan', () => {
    expect(explanation.changes).toMatchObject([{ version: 2, cause: { kind: 'policy', policyId: 'quality' } }]);
    expect(explanation.policies).toMatchObject([
      { policyId: 'quality', action: 'replan', matched: ['quality'], nodeId: 'a' },
    ]);
  });

  it('says why this capability, and sets actual against planned', () => {
    const a = explanation.nodes.find((node) => node.nodeId === 'a');
    expect(a).toMatchObject({
      why: { score: 0.9, threshold: 0.5, runnersUp: [{ capabilityId: 'agent.other' }] },
      status: 'completed',
      addedInVersion: 1,
      planned: { tokens: 100, ms: 50 },
      actual: { attempts: 2, durationMs: 42, tokens: 15 },
      errors: [{ attempt: 1, code: 'TIMEOUT' }],
    });
    expect(explanation.nodes.find((node) => node.nodeId === 'c')?.addedInVersion).toBe(2);
  });
});

describe('the history of a plan', () => {
  it('is made again from the first version and the deltas', () => {
    const versions = planVersions(eventful().events);
    expect(versions.map(({ plan, cause }) => [plan.version, plan.nodes.map((node) => node.id), cause.kind])).toEqual([
      [1, ['a', 'b'], 'initial'],
      [2, ['a', 'b', 'c'], 'policy'],
    ]);
    expect(versions[1]!.plan.nodes[0]).toBe(versions[0]!.plan.nodes[0]);
  });
});

describe('a fork', () => {
  it('starts with what was finished at its point', () => {
    const { events } = eventful();
    const reported = events.find((event) => event.type === 'node.reported')!;
    expect(forkPoint(events, reported.seq)?.seed).toEqual({ context: {}, completed: [] });
    expect(forkPoint(events, Number.MAX_SAFE_INTEGER)?.seed).toEqual({ context: { copy: 'good' }, completed: ['a'] });
    expect(forkPoint(events, 1)).toBeUndefined();
  });
});

describe('an answer', () => {
  const task: TaskView = {
    taskId: 'q',
    runId: 'r',
    tenant: 'default',
    kind: 'output',
    prompt: '?',
    onTimeout: 'none',
    round: 0,
    status: 'open',
    requestedAt: 1,
    answers: 0,
    contract: { facets: ['copy'], schema: { type: 'object' } },
  };
  const judge = (body: ResolveBody, kind: TaskView['kind'] = 'output') =>
    answerIssues(
      { ...task, kind },
      body,
      (_, value) => (JSON.stringify(value) === '{"key":"ok"}' ? [] : [{ pointer: '/key/0', message: 'bad' }]),
      () => 'key',
    ).map((issue) => issue.pointer);

  it('has to fit its task, with pointers into what was sent', () => {
    expect(judge({ resolution: 'output', output: { copy: 'ok' } })).toEqual([]);
    expect(judge({ resolution: 'answer', answer: 'ok' })).toEqual([]);
    expect(judge({ resolution: 'output', output: { copy: 'no' } })).toEqual(['/output/copy/0']);
    expect(judge({ resolution: 'answer', answer: 'no' })).toEqual(['/answer/0']);
    expect(judge({ resolution: 'output' })).toEqual(['/output']);
    expect(judge({ resolution: 'output', output: { other: 1 } })).toEqual(['/output/other']);
    expect(judge({ resolution: 'approve' })).toEqual(['/resolution']);
    expect(judge({ resolution: 'edit' }, 'review')).toEqual(['/operations']);
    expect(judge({ resolution: 'approve' }, 'approval')).toEqual([]);
  });

  it('is one event for one question, whoever answers', () => {
    expect(answerEvent(task, { resolution: 'answer', answer: 1 }, 'user:ann').id).toBe(
      answerEvent(task, { resolution: 'decline' }, 'user:bob').id,
    );
    expect(answerEvent({ ...task, answers: 1 }, { resolution: 'decline' }, undefined).id).not.toBe(
      answerEvent(task, { resolution: 'decline' }, undefined).id,
    );
    expect(answerEvent({ ...task, kind: 'review' }, { resolution: 'approve' }, undefined).type).toBe(
      'plan.review_resolved',
    );
  });
});
