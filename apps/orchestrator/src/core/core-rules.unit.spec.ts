import type { PlannerDraft, RegistrySnapshot, StoredEvent, TaskEnvelope } from '@flex/contracts';
import { normalizePolicies } from '@flex/planning';
import { Scenario } from '../simulation/scenario.js';
import { registry } from '../simulation/world.js';
import { decide } from './decide.js';
import { initial } from './evolve.js';
import { defaultSettings } from './step.js';

const node = (id: string, more: Partial<PlannerDraft['nodes'][number]> = {}): PlannerDraft['nodes'][number] => ({
  id,
  kind: 'execution',
  capabilityId: 'sim.one',
  label: id,
  inputFacets: [],
  outputFacets: ['text', 'score'],
  ...more,
});
const chain = (...ids: string[]): PlannerDraft => ({
  nodes: ids.map((id) => node(id)),
  edges: ids.slice(1).map((to, i) => ({ from: ids[i]!, to })),
});
const fine = { text: 'fine', score: 0.5 };
const broken = { error: { code: 'BROKEN', message: 'it broke', retryable: true } };
const fatal = { error: { code: 'FATAL', message: 'it broke for good', retryable: false } };

/** A run with policies, past their normalisation. */
function governed(runtime: unknown[], more: Record<string, unknown> = {}, plan = chain('a', 'b')): Scenario {
  const policies = { runtime, ...more } as never;
  const { policies: normalized, diagnostics } = normalizePolicies(policies);
  if (!normalized) throw new Error(JSON.stringify(diagnostics));
  return new Scenario({ plan, policies }).given('policy.normalized', { policies: normalized });
}

describe('execution', () => {
  it('dispatches one after the other, accepting each result in the next dispatch', () => {
    const run = new Scenario({ plan: chain('a', 'b') });
    expect(run.then()).toEqual(['plan.generated', 'node.dispatched']);
    expect(run.report('a', fine).then()).toEqual(['node.dispatched']);
    expect(run.last('node.dispatched')!.data.accepted).toEqual([{ nodeId: 'a', attempt: 1 }]);
    expect(run.report('b', fine).then()).toEqual(['run.completed']);
    expect(run.last('run.completed')!.data.output).toEqual({ text: 'fine' });
  });

  it('decides a plan and the steps that start at once together, but nothing beyond a review', () => {
    const first = (more: Partial<TaskEnvelope>): string[] => {
      const data = {
        envelope: {
          objective: 'test',
          outputContract: { mode: 'facets', facets: ['text'] },
          plan: chain('a', 'b'),
          ...more,
        },
        tenant: 'default',
        correlationId: 'c',
      };
      const submitted = { type: 'run.submitted', runId: 'r', id: 's', seq: 7, time: 7, version: 1, data };
      const state = initial(submitted as unknown as StoredEvent<'run.submitted'>);
      const before = structuredClone(state);
      const events = decide(state, { now: 7, registry, settings: defaultSettings, together: () => true });
      expect(state).toEqual(before);
      return events.map(({ type }) => type);
    };
    expect(first({})).toEqual(['plan.generated', 'node.dispatched']);
    expect(first({ review: true })).toEqual(['plan.generated']);
  });

  it('runs independent nodes in parallel and joins them', () => {
    const plan = {
      nodes: [node('a'), node('b'), node('c')],
      edges: [
        { from: 'a', to: 'c' },
        { from: 'b', to: 'c' },
      ],
    };
    const run = new Scenario({ plan });
    expect(run.dispatched()).toEqual(['a#1', 'b#1']);
    run.then();
    expect(run.report('a', fine).then()).toEqual(['node.completed']);
    expect(run.report('b', fine).then()).toEqual(['node.dispatched']);
  });

  it('ignores a report of another attempt, a repeated one, and one under another key', () => {
    const run = new Scenario({ plan: chain('a', 'b') });
    run.then();
    run.given('node.reported', { nodeId: 'a', attempt: 7, outputs: fine }, 'sim.one');
    run.given('node.reported', { nodeId: 'a', attempt: 1, outputs: fine }, 'sim.two');
    expect(run.then()).toEqual([]);
    run.report('a', fine);
    run.given('node.reported', { nodeId: 'a', attempt: 1, outputs: fine }, 'sim.one');
    expect(run.then()).toEqual(['node.dispatched']);
  });

  it('takes a route and skips the targets not chosen', () => {
    const plan: PlannerDraft = {
      nodes: [
        node('a'),
        node('r', {
          kind: 'routing',
          capabilityId: undefined,
          outputFacets: [],
          routes: [{ to: 'x', condition: 'facets.score > 0.9' }, { to: 'y' }],
        }),
        node('x'),
        node('y'),
      ],
      edges: [
        { from: 'a', to: 'r' },
        { from: 'r', to: 'x' },
        { from: 'r', to: 'y' },
      ],
    };
    const run = new Scenario({ plan }).report('a', fine);
    expect(run.dispatched()).toEqual(['a#1', 'y#1']);
    expect(run.last('node.skipped')!.data.nodes.map((one) => one.nodeId)).toEqual(['x']);
    expect(run.report('y', fine).status).toBe('completed');
  });
});

describe('failure', () => {
  it('tries again after the backoff, then gives up; with a plan of its own the run fails', () => {
    const run = new Scenario({ plan: chain('a') });
    run.then();
    expect(run.report('a', broken).then()).toEqual(['node.failed']);
    expect(run.wait().then()).toEqual(['node.dispatched']);
    run.report('a', broken).wait().report('a', broken);
    expect(run.status).toBe('failed');
    expect(run.dispatched()).toEqual(['a#1', 'a#2', 'a#3']);
    expect(run.last('run.failed')!.data.error).toMatchObject({ code: 'BROKEN', nodeId: 'a' });
  });

  it('goes to the fallback at once when trying again cannot help', () => {
    const run = new Scenario({ plan: { nodes: [node('a', { fallback: ['sim.two'] })] } });
    run.report('a', fatal);
    expect(run.last('plan.fallback_chosen')!.data).toMatchObject({ from: 'sim.one', to: 'sim.two' });
    expect(run.last('node.dispatched')!.key).toBe('sim.two');
    expect(run.report('a', fine).status).toBe('completed');
  });

  const standby: PlannerDraft = {
    nodes: [node('a'), node('f', { kind: 'fallback', capabilityId: undefined }), node('z')],
    edges: [
      { from: 'a', to: 'f', condition: '!exists(facets.text)' },
      { from: 'a', to: 'z' },
      { from: 'f', to: 'z' },
    ],
  };

  it('leaves a fallback node standing by when all goes well', () => {
    const run = new Scenario({ plan: standby }).report('a', fine);
    expect(run.dispatched()).toEqual(['a#1', 'z#1']);
    expect(run.last('hitl.requested')).toBeUndefined();
    expect(run.report('z', fine).status).toBe('completed');
  });

  it('lets a fallback node take over from one that failed for good', () => {
    const run = new Scenario({ plan: standby }).report('a', fatal);
    expect(run.last('plan.fallback_chosen')!.data).toMatchObject({ nodeId: 'a', standIn: 'f' });
    const { taskId } = run.last('hitl.requested')!.data.task;
    run.given('hitl.resolved', { taskId, resolution: 'output', output: fine });
    expect(run.report('z', fine).status).toBe('completed');
  });

  it('refuses an output that breaks its schema, and tries again', () => {
    const run = new Scenario({ plan: chain('a') });
    run.then();
    expect(run.report('a', { text: 7, score: 1 }).then()).toEqual(['validation.failed', 'node.failed']);
    expect(run.last('validation.failed')!.data.issues[0]!.pointer).toBe('/text');
  });

  it('times out on the deadline that the log tells', () => {
    const run = new Scenario({ plan: chain('a') });
    expect(run.wait().last('node.failed')!.data.error.code).toBe('TIMEOUT');
  });

  it('refuses an own plan that is not valid, with diagnostics', () => {
    const run = new Scenario({ plan: { nodes: [node('a', { capabilityId: 'sim.unknown' })] } });
    expect(run.then()).toEqual(['plan.rejected', 'run.failed']);
    expect(run.last('run.failed')!.data.error.diagnostics![0]!.code).toBe('CAPABILITY_NOT_REGISTERED');
  });
});

describe('planning', () => {
  const draft = (run: Scenario, plan: PlannerDraft) => {
    const { requestId, attempt } = run.last('plan.requested')!.data;
    return run.given('plan.drafted', { requestId, attempt, draft: plan });
  };

  it('sends a refused draft back with what was found, and takes the revised one', () => {
    const run = new Scenario();
    expect(run.then()).toEqual(['plan.requested']);
    expect(draft(run, { nodes: [node('a', { capabilityId: 'sim.unknown' })] }).then()).toEqual([
      'plan.rejected',
      'plan.requested',
    ]);
    expect(run.last('plan.requested')!.data).toMatchObject({
      attempt: 2,
      diagnostics: [{ code: 'CAPABILITY_NOT_REGISTERED' }],
    });
    expect(draft(run, chain('a')).then()).toEqual(['plan.generated', 'node.dispatched']);
  });

  it('ignores an answer to an attempt that is over', () => {
    const run = new Scenario();
    run.then();
    run.given('plan.drafted', { requestId: 'initial-0', attempt: 9, draft: chain('a') });
    expect(run.then()).toEqual([]);
  });

  it('asks a person when the attempts are used up; approval plans again, an output ends the run', () => {
    const run = new Scenario();
    for (let i = 0; i < 4; i++) draft(run, { nodes: [], edges: [{ from: 'x', to: 'y' }] });
    expect(run.status).toBe('awaiting_human');
    const { task } = run.last('hitl.requested')!.data;
    expect(task).toMatchObject({ kind: 'escalation' });
    run.then();
    expect(run.given('hitl.resolved', { taskId: task.taskId, resolution: 'approve' }).then()).toEqual([
      'hitl.closed',
      'plan.requested',
    ]);
    for (let i = 0; i < 4; i++) draft(run, { nodes: [], edges: [{ from: 'x', to: 'y' }] });
    const second = run.last('hitl.requested')!.data.task;
    run.given('hitl.resolved', { taskId: second.taskId, resolution: 'output', output: { text: 'by hand' } });
    expect(run.last('run.completed')!.data.output).toEqual({ text: 'by hand' });
  });
});

describe('policies', () => {
  const low = {
    id: 'low',
    trigger: { kind: 'onNodeComplete', selector: { nodeId: 'a' }, condition: 'facets.score < 0.6' },
    action: { type: 'replan' },
  };

  it('holds what is downstream until the verdict, then goes on', () => {
    const run = governed([low]);
    run.then();
    expect(run.report('a', fine).then()).toEqual(['policy.requested']);
    expect(run.last('policy.requested')!.data.context).toMatchObject({ facets: { score: 0.5 } });
    expect(run.verdict().then()).toEqual(['node.dispatched']);
  });

  it('replans when it triggers: nothing starts until the new version', () => {
    const run = governed([low]).report('a', fine);
    run.then();
    expect(run.verdict({ policyId: 'low', action: { type: 'replan' } }).then()).toEqual(['plan.requested']);
    const { requestId, replan } = run.last('plan.requested')!.data;
    expect(replan).toMatchObject({ baseVersion: 1, completed: ['a'] });
    run.given('plan.drafted', {
      requestId,
      attempt: 1,
      delta: { baseVersion: 1, operations: [{ op: 'addNode', node: node('c') }] },
    });
    expect(run.then()).toEqual(['plan.updated', 'node.dispatched', 'node.dispatched']);
    expect(run.last('plan.updated')!.data).toMatchObject({
      version: 2,
      diff: { added: ['c'] },
      cause: { kind: 'policy', policyId: 'low' },
    });
  });

  it('refuses a delta on another version and asks again', () => {
    const run = governed([low])
      .report('a', fine)
      .verdict({ policyId: 'low', action: { type: 'replan' } });
    const { requestId } = run.last('plan.requested')!.data;
    run.given('plan.drafted', { requestId, attempt: 1, delta: { baseVersion: 9, operations: [] } });
    expect(run.last('plan.rejected')!.data.diagnostics[0]!.code).toBe('STALE_BASE_VERSION');
    expect(run.last('plan.requested')!.data.attempt).toBe(2);
  });

  it('refuses a delta that changes finished work', () => {
    const run = governed([low])
      .report('a', fine)
      .verdict({ policyId: 'low', action: { type: 'replan' } });
    const { requestId } = run.last('plan.requested')!.data;
    run.given('plan.drafted', {
      requestId,
      attempt: 1,
      delta: { baseVersion: 1, operations: [{ op: 'removeNode', nodeId: 'a' }] },
    });
    expect(run.last('plan.rejected')!.data.diagnostics.map((one) => one.code)).toContain('COMPLETED_NODE_CHANGED');
  });

  it('stops replanning when the budget is used up, with the reason', () => {
    const run = governed([low], { budget: { maxReplans: 0 } })
      .report('a', fine)
      .verdict({ policyId: 'low', action: { type: 'replan' } });
    expect(run.last('run.failed')!.data.error).toMatchObject({ code: 'REPLAN_BUDGET_EXCEEDED' });
  });

  it('asks a person, who approves or rejects', () => {
    for (const [resolution, status] of [
      ['approve', 'running'],
      ['reject', 'failed'],
    ] as const) {
      const run = governed([low])
        .report('a', fine)
        .verdict({ policyId: 'low', action: { type: 'hitl', rationale: 'low score' } });
      expect(run.status).toBe('awaiting_human');
      expect(run.dispatched()).toEqual(['a#1']);
      const { taskId } = run.last('hitl.requested')!.data.task;
      expect(run.given('hitl.resolved', { taskId, resolution }).status).toBe(status);
    }
  });

  it('carries out the nested action of an answer', () => {
    const action = {
      type: 'hitl' as const,
      approveAction: { type: 'emit' as const, event: 'approved' },
      rejectAction: { type: 'replan' as const },
    };
    const run = governed([low]).report('a', fine).verdict({ policyId: 'low', action });
    run.then();
    run.given('hitl.resolved', { taskId: run.last('hitl.requested')!.data.task.taskId, resolution: 'approve' });
    expect(run.then()).toEqual(['hitl.closed', 'policy.acted', 'node.dispatched']);
  });

  it('goes back to a node, a bounded number of times', () => {
    const run = governed([low]).report('a', fine);
    run.verdict({ policyId: 'low', action: { type: 'goto', next: 'a', maxAttempts: 1 } });
    expect(run.dispatched()).toEqual(['a#1', 'a#2']);
    run.report('a', fine).verdict({ policyId: 'low', action: { type: 'goto', next: 'a', maxAttempts: 1 } });
    expect(run.last('policy.acted')!.data).toMatchObject({ done: false });
    expect(run.dispatched()).toEqual(['a#1', 'a#2', 'b#1']);
  });

  it('goes back to the nodes of a capability', () => {
    const run = governed([low]).report('a', fine);
    run.verdict({ policyId: 'low', action: { type: 'goto', next: 'sim.one', maxAttempts: 1 } });
    expect(run.last('policy.acted')!.data.goto).toEqual({ next: 'sim.one', nodes: ['a', 'b'] });
    expect(run.dispatched()).toEqual(['a#1', 'a#2']);
  });

  it('tells policies where the facets that they read come from', () => {
    const run = governed([low]).report('a', fine);
    expect(run.last('policy.requested')!.data.context).toMatchObject({
      facets: { score: 0.5 },
      provenance: { score: ['a'] },
    });
  });

  it('pauses, emits and fails', () => {
    const verdict = (action: never) => governed([low]).report('a', fine).verdict({ policyId: 'low', action });
    expect(verdict({ type: 'pause' } as never).status).toBe('paused');
    expect(verdict({ type: 'fail', message: 'enough' } as never).last('run.failed')!.data.error.message).toBe('enough');
    expect(verdict({ type: 'emit', event: 'seen', payload: 1 } as never).last('policy.acted')!.data).toMatchObject({
      event: 'seen',
      payload: 1,
    });
  });

  it('asks on the start, before anything is dispatched', () => {
    const run = governed([{ id: 's', trigger: { kind: 'onStart' }, action: { type: 'emit', event: 'began' } }]);
    expect(run.dispatched()).toEqual([]);
    run.verdict({ policyId: 's', action: { type: 'emit', event: 'began' } });
    expect(run.dispatched()).toEqual(['a#1']);
  });

  it('asks when a node takes long, when an output is invalid, when triggered by hand, and on a metric', () => {
    const late = governed([{ id: 't', trigger: { kind: 'onTimeout', ms: 1000 }, action: { type: 'pause' } }]).wait();
    expect(late.last('policy.requested')!.data.occasion).toBe('onTimeout');
    const invalid = governed([{ id: 'v', trigger: { kind: 'onValidationFail' }, action: { type: 'pause' } }]).report(
      'a',
      { text: 7 },
    );
    expect(invalid.last('policy.requested')!.data.occasion).toBe('onValidationFail');
    const manual = governed([{ id: 'm', trigger: { kind: 'manual' }, action: { type: 'pause' } }]).given(
      'policy.signalled',
      { kind: 'manual', policyId: 'm' },
    );
    expect(manual.last('policy.requested')!.data.occasion).toBe('manual');
    const metric = governed([
      { id: 'q', trigger: { kind: 'onMetricBelow', metric: 'quality', threshold: 0.5 }, action: { type: 'pause' } },
    ]).given('policy.signalled', { kind: 'metric', metric: 'quality', value: 0.1 });
    expect(metric.last('policy.requested')!.data).toMatchObject({
      occasion: 'onMetricBelow',
      context: { metrics: { quality: 0.1 } },
    });
  });
});

describe('people', () => {
  const person = () => new Scenario({ plan: { nodes: [node('a', { capabilityId: 'sim.person' })] } });
  const taskId = (run: Scenario) => run.last('hitl.requested')!.data.task.taskId;

  it('validates an answer like any output, and keeps the question open', () => {
    const run = person();
    expect(run.status).toBe('awaiting_human');
    run.given('hitl.resolved', { taskId: taskId(run), resolution: 'output', output: { text: 7 } });
    expect(run.last('validation.failed')!.data.scope).toBe('answer');
    expect(run.status).toBe('awaiting_human');
    run.given('hitl.resolved', { taskId: taskId(run), resolution: 'output', output: fine });
    expect(run.last('run.completed')!.data.output).toEqual({ text: 'fine' });
  });

  it('takes the first answer only', () => {
    const run = person();
    const id = taskId(run);
    run.given('hitl.resolved', { taskId: id, resolution: 'output', output: fine });
    run.then();
    expect(run.given('hitl.resolved', { taskId: id, resolution: 'output', output: fine }).then()).toEqual([]);
  });

  it('asks again when declined with requeue, reminds, and escalates at the deadline', () => {
    const run = person();
    const first = taskId(run);
    run.given('hitl.resolved', { taskId: first, resolution: 'decline' });
    expect(run.last('hitl.closed')!.data).toMatchObject({ taskId: first, outcome: 'declined' });
    expect(run.last('hitl.requested')!.data.task).toMatchObject({ round: 1 });
    expect(run.wait().last('hitl.reminded')!.data.taskId).toBe(taskId(run));
    const second = taskId(run);
    run.wait();
    expect(run.last('hitl.closed')!.data).toMatchObject({ taskId: second, outcome: 'timed_out' });
    expect(run.last('hitl.requested')!.data.task).toMatchObject({ round: 2 });
  });

  it('a reviewer asks for branches: the review is answered, and a planner makes the next version with them', () => {
    const run = new Scenario({ plan: chain('a'), review: true });
    run.then();
    const branches = [
      { id: 'bold', label: 'Bold' },
      { id: 'calm', label: 'Calm', inputs: { tone: 'calm' } },
    ];
    const taskId = run.last('hitl.requested')!.data.task.taskId;
    run.given('plan.review_resolved', { taskId, decision: 'edit', branches, comment: 'Two of them' });
    expect(run.then()).toEqual(['plan.requested', 'hitl.closed']);
    const asked = run.last('plan.requested')!.data;
    expect(asked).toMatchObject({
      phase: 'replan',
      cause: { kind: 'review', taskId, rationale: 'Two of them' },
      replan: { baseVersion: 1, completed: [], branchRequests: branches },
    });
    expect(run.dispatched()).toEqual([]);
    run.given('plan.drafted', {
      requestId: asked.requestId,
      attempt: 1,
      delta: { baseVersion: 1, operations: [{ op: 'addNode', node: node('b', { branchId: 'bold' }) }] },
    });
    expect(run.then()).toEqual(['plan.updated', 'node.dispatched', 'node.dispatched']);
    expect(run.last('plan.updated')!.data).toMatchObject({ version: 2, cause: { kind: 'review', taskId } });
  });

  it('reviews the plan first: approval starts it, an edit makes the next version, a rejection ends the run', () => {
    const review = () => new Scenario({ plan: chain('a'), review: true });
    const run = review();
    expect(run.status).toBe('awaiting_review');
    expect(run.dispatched()).toEqual([]);
    run.given('plan.review_resolved', { taskId: taskId(run), decision: 'approve' });
    expect(run.dispatched()).toEqual(['a#1']);
    const edited = review();
    edited.given('plan.review_resolved', {
      taskId: taskId(edited),
      decision: 'edit',
      baseVersion: 1,
      operations: [{ op: 'addNode', node: node('b') }],
    });
    expect(edited.last('plan.updated')!.data).toMatchObject({ version: 2, cause: { kind: 'review' } });
    expect(edited.dispatched()).toEqual(['a#1', 'b#1']);
    const rejected = review();
    expect(rejected.given('plan.review_resolved', { taskId: taskId(rejected), decision: 'reject' }).status).toBe(
      'failed',
    );
  });

  it('refuses an edit that is not valid and goes on waiting', () => {
    const run = new Scenario({ plan: chain('a'), review: true });
    run.given('plan.review_resolved', {
      taskId: taskId(run),
      decision: 'edit',
      operations: [{ op: 'removeNode', nodeId: 'nope' }],
    });
    expect(run.last('plan.rejected')!.data.phase).toBe('review');
    expect(run.status).toBe('awaiting_review');
    run.given('plan.review_resolved', { taskId: taskId(run), decision: 'approve' });
    expect(run.dispatched()).toEqual(['a#1']);
  });
});

describe('steering', () => {
  it('pauses (work in flight is kept), resumes, and refuses a stale expectation', () => {
    const run = new Scenario({ plan: chain('a', 'b') }).given('run.pause_requested', {}).report('a', fine);
    expect(run.status).toBe('paused');
    expect(run.dispatched()).toEqual(['a#1']);
    expect(run.given('run.resume_requested', { expectedPlanVersion: 9 }).status).toBe('paused');
    run.given('run.resume_requested', { expectedPlanVersion: 1 });
    expect(run.dispatched()).toEqual(['a#1', 'b#1']);
  });

  it('cancels: work in flight is called off and its late result ignored', () => {
    const run = new Scenario({ plan: chain('a', 'b') });
    run.then();
    expect(run.given('run.cancel_requested', { reason: 'enough' }).then()).toEqual(['node.cancelled', 'run.cancelled']);
    expect(run.report('a', fine).then()).toEqual([]);
  });

  it('plans anew when a capability that is still needed goes away', () => {
    const gone: RegistrySnapshot = { ...registry, revision: 2 };
    const run = new Scenario({}, gone);
    const { requestId } = run.last('plan.requested')!.data;
    run.given('plan.drafted', { requestId, attempt: 1, draft: chain('a', 'b') });
    run.then();
    run.given('run.capability_lost', { capabilityId: 'sim.one', nodes: ['b'] });
    expect(run.last('plan.requested')!.data).toMatchObject({
      phase: 'replan',
      cause: { kind: 'capability_lost' },
      replan: { exclude: ['sim.one'] },
    });
  });

  it('plans anew on a message of the client, and on goal conditions that fail', () => {
    const run = new Scenario({ plan: chain('a') }).given('policy.signalled', { kind: 'message', message: 'shorter' });
    expect(run.last('plan.requested')!.data).toMatchObject({
      cause: { kind: 'signal' },
      replan: { values: { message: 'shorter' } },
    });
    const goal = new Scenario({ goalConditions: [{ facet: 'score', condition: 'value > 0.9' }] });
    const { requestId } = goal.last('plan.requested')!.data;
    goal.given('plan.drafted', { requestId, attempt: 1, draft: chain('a') }).report('a', fine);
    expect(goal.last('goal.failed')).toBeDefined();
    expect(goal.last('plan.requested')!.data.cause.kind).toBe('goal_condition');
  });

  it('stops before a budget is crossed', () => {
    const run = governed([], { budget: { maxTokens: 1000 } });
    const usage = { inputTokens: 900, outputTokens: 200 };
    run.given('node.reported', { nodeId: 'a', attempt: 1, outputs: fine, usage }, 'sim.one');
    expect(run.last('run.failed')!.data.error.code).toBe('BUDGET_EXCEEDED');
    expect(run.dispatched()).toEqual(['a#1']);
  });

  it('completes only with an output that meets the contract', () => {
    const contract = {
      mode: 'json_schema' as const,
      schema: { type: 'object', required: ['text'], properties: { text: { type: 'string', minLength: 10 } } },
    };
    const run = new Scenario({ outputContract: contract, plan: chain('a') }).report('a', fine);
    expect(run.last('validation.failed')!.data.scope).toBe('output');
    expect(run.status).toBe('failed');
  });
});
