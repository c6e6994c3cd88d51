import {
  Frame,
  isAfter,
  issuesOf,
  parseFrameId,
  runCatalogue,
  validateEvent,
  type EventData,
  type Frame as FrameT,
  type RunEventType,
} from '@flex/contracts';
import { dispatched, generated, submitted, TestRun, updated } from '../testing/stored-events.js';
import { project } from './frame-projection.js';
import { initialProjection } from './frames/projection-state.js';

const by = 'user:ann';
const task = {
  taskId: '01testrun-1-1',
  kind: 'approval',
  prompt: 'Fine?',
  nodeId: 'a',
  onTimeout: 'reject',
  round: 0,
  dueAt: 1_700_000_100_000,
} as const;
const action = { type: 'replan' } as const;
const diagnostic = { code: 'CYCLE', severity: 'error', message: 'a cycle' } as const;
const request: EventData<'plan.requested'> = {
  requestId: 'r1',
  attempt: 2,
  phase: 'initial',
  tenant: 'default',
  objective: 'x',
  outputContract: { mode: 'freeform', instructions: 'x' },
  policies: {
    planner: { topology: { maxDepth: 3 }, directives: [] },
    runtime: [{ id: 'quality' }],
    budget: {},
  } as never,
  dynamic: true,
  hybrid: true,
  registry: { revision: 7, capabilities: ['agent.write'], facets: ['copy'] },
  diagnostics: [diagnostic],
  cause: { kind: 'initial' },
  correlationId: 'c1',
};

/** Every event type once, and the frames that it is expected to become; the compiler asks for each. */
const expected: { [T in RunEventType]: [EventData<T>, ...string[]] } = {
  'run.submitted': [submitted(), 'start'],
  'run.cancel_requested': [{ by }],
  'run.pause_requested': [{ by }],
  'run.resume_requested': [{ by }],
  'run.replan_requested': [{ by }],
  'run.released': [{}],
  'run.deleted': [{}],
  'plan.review_resolved': [{ taskId: task.taskId, decision: 'approve' }],
  'hitl.resolved': [{ taskId: task.taskId, resolution: 'approve' }],
  'policy.signalled': [{ kind: 'metric', metric: 'score', value: 0.4 }, 'log'],
  'policy.normalized': [{ policies: { planner: {}, runtime: [], budget: {} } as never }],
  'policy.refused': [{ diagnostics: [diagnostic] }, 'validation_error'],
  'policy.evaluated': [{ requestId: 'q', evaluations: [] }],
  'policy.triggered': [
    { requestId: 'q', policyId: 'quality', action, evaluations: [{ policyId: 'quality', matched: true }] },
    'policy_triggered',
  ],
  'plan.drafted': [{ requestId: 'r1', attempt: 1 }],
  'plan.draft_failed': [{ requestId: 'r1', attempt: 1, reason: 'no model', diagnostics: [] }, 'log'],
  'node.started': [{ nodeId: 'a', attempt: 1 }],
  'node.progressed': [{ nodeId: 'a', attempt: 1, fraction: 0.5, text: 'Hel' }, 'node_progress'],
  'node.reported': [{ nodeId: 'a', attempt: 1, outputs: { copy: 'hi' } }],
  'partition.claimed': [{ owner: 'o', previous: 0 }],
  'plan.requested': [request, 'plan_requested'],
  'plan.rejected': [{ requestId: 'r1', attempt: 1, phase: 'initial', diagnostics: [diagnostic] }, 'plan_rejected'],
  'plan.generated': [generated(['a']), 'plan_generated', 'plan_branch', 'plan_fallback'],
  'plan.updated': [updated(['c']), 'plan_updated', 'plan_branch', 'plan_branch', 'plan_fallback'],
  'plan.fallback_chosen': [
    { nodeId: 'a', from: 'agent.write', to: 'agent.other', facets: ['copy'], reason: 'failed' },
    'plan_fallback',
  ],
  'node.dispatched': [dispatched('a'), 'node_start'],
  'node.completed': [{ accepted: [{ nodeId: 'a', attempt: 1, outputs: { copy: 'x' } }] }, 'node_complete'],
  'node.failed': [
    { nodeId: 'a', attempt: 1, error: { code: 'X', message: 'broken' }, final: false, retryAt: 1_700_000_000_500 },
    'node_error',
  ],
  'node.skipped': [
    {
      nodes: [
        { nodeId: 'a', reason: 'r' },
        { nodeId: 'b', reason: 'r' },
      ],
    },
    'node_skipped',
    'node_skipped',
  ],
  'node.cancelled': [{ nodes: [{ nodeId: 'a', attempt: 1, reason: 'replaced' }] }, 'log'],
  'validation.failed': [
    { scope: 'node_output', nodeId: 'a', issues: [{ pointer: '/copy', message: 'must be string' }] },
    'validation_error',
  ],
  'goal.failed': [{ conditions: [{ facet: 'copy', message: 'too short' }] }, 'goal_condition_failed'],
  'policy.requested': [
    { requestId: 'q', occasion: 'onNodeComplete', policies: [], context: {}, accepted: [{ nodeId: 'a', attempt: 1 }] },
    'node_complete',
  ],
  'policy.acted': [{ policyId: 'quality', action: 'emit', done: true, event: 'noticed', payload: 1 }, 'log'],
  'hitl.requested': [{ task }, 'hitl_request'],
  'hitl.reminded': [{ taskId: task.taskId, dueAt: task.dueAt }, 'log'],
  'hitl.closed': [{ taskId: task.taskId, outcome: 'answered', resolution: 'approve', by }, 'hitl_resolved'],
  'run.capability_lost': [{ capabilityId: 'agent.write', nodes: ['a'] }, 'log'],
  'run.paused': [{ reason: 'lunch' }, 'run_paused'],
  'run.resumed': [{ planVersion: 1 }, 'run_resumed'],
  'run.completed': [{ output: 1, accepted: [{ nodeId: 'a', attempt: 1 }] }, 'node_complete', 'complete'],
  'run.failed': [{ error: { code: 'X', message: 'no way' } }, 'complete'],
  'run.cancelled': [{ reason: 'not needed' }, 'complete'],
  'timer.set': [{ at: 1 }],
  'timer.fired': [{ at: 1 }],
};

const frames = (run: TestRun): FrameT[] => {
  const state = initialProjection(run.runId);
  return run.events.flatMap((event) => project(state, event));
};

describe('the frames of a run', () => {
  it.each(Object.entries(expected))('shows %s as agreed, or not at all', (type, [data, ...types]) => {
    expect(validateEvent(type, data)).toEqual([]);
    const run = new TestRun();
    run.add(type as RunEventType, data as never);
    const shown = frames(run);
    expect(shown.map((frame) => frame.type)).toEqual(types);
    for (const frame of shown) expect(issuesOf(Frame, frame)).toEqual([]);
    expect(JSON.parse(JSON.stringify(shown))).toEqual(shown);
  });

  it('names every event of the catalogue', () => {
    expect(Object.keys(expected).sort()).toEqual(Object.keys(runCatalogue).sort());
  });

  it('completes a node before what its acceptance rides in, with the outputs of its report', () => {
    const run = new TestRun();
    run.add('run.submitted', submitted());
    run.add('node.dispatched', dispatched('a'));
    run.add('node.reported', {
      nodeId: 'a',
      attempt: 1,
      outputs: { copy: 'first' },
      durationMs: 12,
      usage: { inputTokens: 3 },
    });
    run.add('node.reported', { nodeId: 'a', attempt: 1, outputs: { copy: 'second' } });
    run.add('node.dispatched', dispatched('b', { accepted: [{ nodeId: 'a', attempt: 1 }] }));
    const [, , complete, start] = frames(run);
    expect(complete).toMatchObject({
      type: 'node_complete',
      id: '50',
      nodeId: 'a',
      payload: {
        outputs: { copy: 'first' },
        durationMs: 12,
        usage: { inputTokens: 3 },
        attempt: 1,
        capabilityId: 'agent.write',
      },
      facetProvenance: { copy: ['a'] },
      correlationId: 'c1',
      planVersion: 1,
    });
    expect(start).toMatchObject({
      type: 'node_start',
      id: '50.001',
      nodeId: 'b',
      facetProvenance: { brief: ['envelope'] },
    });
  });

  it('shows branches and fallbacks once, when their plan version comes', () => {
    const run = new TestRun();
    run.add('plan.generated', generated(['a']));
    run.add('plan.updated', updated(['c']));
    const branches = frames(run).filter((frame) => frame.type === 'plan_branch');
    expect(branches.map(({ payload, planVersion }) => [payload['id'], planVersion])).toEqual([
      ['b1', 1],
      ['b2', 2],
    ]);
  });

  it('ends with the final frame, whatever still comes', () => {
    const run = new TestRun();
    run.add('run.cancelled', {});
    run.add('node.progressed', { nodeId: 'a', attempt: 1 });
    run.add('run.completed', { output: 1 });
    expect(frames(run).map((frame) => frame.type)).toEqual(['complete']);
  });

  it('counts up: ids ascend strictly over all events', () => {
    const run = new TestRun();
    for (const [type, [data]] of Object.entries(expected)) {
      if (type !== 'run.completed' && type !== 'run.failed' && type !== 'run.cancelled')
        run.add(type as RunEventType, data as never);
    }
    const cursors = frames(run).map((frame) => parseFrameId(frame.id)!);
    expect(cursors.length).toBeGreaterThan(20);
    for (const [index, cursor] of cursors.entries())
      if (index > 0) expect(isAfter(cursor, cursors[index - 1]!)).toBe(true);
  });
});

describe('steps that a worker went on with by itself', () => {
  const next = (nodeId: string) => ({
    ...dispatched(nodeId),
    inputs: {},
    take: { copy: { nodeId: 'a', facet: 'copy' } },
  });
  const told = (events: (run: TestRun) => void): string[] => {
    const run = new TestRun();
    run.add('run.submitted', submitted());
    run.add('node.dispatched', dispatched('a', { next: [next('b'), next('c')] }));
    events(run);
    const state = initialProjection(run.runId);
    return run.events
      .flatMap((event) => project(state, event))
      .filter(({ type }) => type.startsWith('node_'))
      .map(({ type, nodeId }) => `${type} ${nodeId}`);
  };
  const done = (...nodes: string[]) => ({ accepted: nodes.map((nodeId) => ({ nodeId, attempt: 1 })) });
  const result = (nodeId: string) => ({ nodeId, attempt: 1, outputs: { copy: nodeId } });

  it('are shown as started before they are shown as done, each once', () => {
    const frames = told((run) => {
      run.add('node.reported', { ...result('a'), further: [result('b')] });
      run.add('node.dispatched', dispatched('c', done('a', 'b')));
      run.add('node.reported', result('c'));
      run.add('node.completed', done('c'));
    });
    expect(frames).toEqual([
      'node_start a',
      'node_complete a',
      'node_start b',
      'node_complete b',
      'node_start c',
      'node_complete c',
    ]);
  });

  it('are shown as started while they are slow, or speak, or when they fail', () => {
    const begun = ['node_start a', 'node_complete a', 'node_start b'];
    const slow = told((run) => {
      run.add('node.reported', { ...result('a'), at: { nodeId: 'b', attempt: 1 } });
      run.add('node.completed', done('a'));
    });
    expect(slow).toEqual(begun);
    const failed = told((run) => {
      run.add('node.reported', {
        ...result('a'),
        further: [{ nodeId: 'b', attempt: 1, error: { code: 'X', message: 'x' } }],
      });
      run.add('node.failed', {
        nodeId: 'b',
        attempt: 1,
        error: { code: 'X', message: 'x' },
        final: true,
        ...done('a'),
      });
    });
    expect(failed).toEqual([...begun, 'node_error b']);
    const speaking = told((run) => run.add('node.progressed', { nodeId: 'b', attempt: 1, fraction: 0.5 }));
    expect(speaking).toEqual(['node_start a', 'node_start b', 'node_progress b']);
  });
});
