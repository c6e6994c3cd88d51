import type { Frame, Policies } from '@flex/contracts';
import { capabilityOf, facetOf, publish } from '../harness/catalog.js';
import { inOrder, resumesExactly, wellFormed } from '../harness/expectations.js';
import type { RunStream } from '../harness/flex-http.js';
import { OutsideAgent, type WorkItem } from '../harness/outside-agent.js';
import { OwnStack } from '../harness/own-stack.js';

type Runtime = NonNullable<Policies['runtime']>[number];

/** Every trigger evaluated and every action carried out, on a whole stack whose agents the test plays. */
describe('Runtime policies', () => {
  let stack: OwnStack;
  let sketcher: OutsideAgent;
  let writer: OutsideAgent;
  let other: OutsideAgent;
  /** How the writer works in this test. */
  let write: (item: WorkItem) => unknown;
  let sketch: (item: WorkItem) => unknown;

  beforeAll(async () => {
    stack = await OwnStack.start({ without: ['worker'] });
    const { http, nats } = stack;
    await publish(http, [
      facetOf('topic', { type: 'string' }, 'input'),
      facetOf('sketch', { type: 'string' }),
      facetOf('text', { type: 'string' }),
    ]);
    const retry = { maxAttempts: 3, backoffMs: 10 };
    const capability = (id: string, kind: 'structuring' | 'execution', input: string, output: string) =>
      capabilityOf(id, kind, [input], [output], { retry });
    const strong = {
      ...capability('p.write', 'execution', 'sketch', 'text'),
      traits: { strengths: ['text', 'topic'] },
    };
    const weak = {
      ...capability('p.other', 'execution', 'sketch', 'text'),
      traits: { limitations: ['text', 'topic'] },
    };
    const answering =
      (facet: string, how: () => (item: WorkItem) => unknown) =>
      async (item: WorkItem): Promise<Record<string, never>> =>
        ({ [facet]: await how()(item) }) as Record<string, never>;
    sketcher = await OutsideAgent.start(
      http,
      nats,
      capability('p.sketch', 'structuring', 'topic', 'sketch'),
      answering('sketch', () => sketch),
    );
    writer = await OutsideAgent.start(
      http,
      nats,
      strong,
      answering('text', () => write),
    );
    other = await OutsideAgent.start(
      http,
      nats,
      weak,
      answering('text', () => () => 'another text'),
    );
  }, 180_000);
  beforeEach(() => {
    write = ({ inputs }) => `text on ${String(inputs['sketch'])}`;
    sketch = ({ inputs }) => `sketch of ${String(inputs['topic'])}`;
  });
  afterAll(async () => {
    await Promise.all([sketcher?.stop(), writer?.stop(), other?.stop()]);
    await stack?.stop();
  }, 60_000);

  const submit = (runtime: Runtime[], budget?: Policies['budget']): RunStream =>
    stack.http.stream({
      objective: 'A text on the topic',
      inputs: { topic: 'policies' },
      outputContract: { mode: 'facets', facets: ['text'] },
      policies: { runtime, ...(budget ? { budget } : {}) },
    });
  const finished = async (stream: RunStream, status = 'completed'): Promise<Frame[]> => {
    const frames = await stream.completed();
    wellFormed(stream);
    await resumesExactly(stack.http, stream);
    expect(frames.at(-1)!.payload).toMatchObject({ status });
    return frames;
  };
  const taskOf = (frame: Frame): string => frame.payload['taskId'] as string;
  const started = (frames: Frame[]): (string | undefined)[] =>
    frames.filter(({ type }) => type === 'node_start').map(({ payload }) => payload['capabilityId'] as string);
  const acted = (frames: Frame[]): unknown[] =>
    frames.filter(({ type }) => type === 'policy_triggered').map(({ payload }) => payload['policyId']);
  const signal = (runId: string, body: object): Promise<unknown> =>
    stack.http.ok('POST', `/api/v1/flex/runs/${runId}/signal`, body);
  /** Work that waits until the test lets it go. */
  const held = (): { work: () => Promise<string>; letGo: () => void; begun: Promise<void> } => {
    let letGo!: () => void;
    let begin!: () => void;
    const begun = new Promise<void>((resolve) => (begin = resolve));
    const free = new Promise<void>((resolve) => (letGo = resolve));
    return { letGo, begun, work: async () => (begin(), await free, 'held text') };
  };

  it('onStart, hitl: nothing starts before a person has approved; nested questions follow', async () => {
    const stream = submit([
      {
        id: 'ask-first',
        trigger: { kind: 'onStart', condition: "facets.topic == 'policies'" },
        action: {
          type: 'hitl',
          rationale: 'Start?',
          approveAction: {
            type: 'hitl',
            rationale: 'Really?',
            approveAction: { type: 'emit', event: 'approved_twice', payload: { by: 'people' } },
          },
        },
      },
    ]);
    const first = await stream.untilType('hitl_request');
    expect(first.payload).toMatchObject({ kind: 'approval', prompt: 'Start?', policyId: 'ask-first' });
    await stack.http.resolve(taskOf(first), { resolution: 'approve' });
    const second = await stream.until(({ payload }) => payload['prompt'] === 'Really?', 'the second question');
    expect(started(stream.frames)).toEqual([]);
    await stack.http.resolve(taskOf(second), { resolution: 'approve' });
    const frames = await finished(stream);
    inOrder(stream.types, [
      'plan_generated',
      'policy_triggered',
      'hitl_request',
      'hitl_resolved',
      'log',
      'node_start',
      'complete',
    ]);
    expect(frames.find(({ payload }) => payload['event'] === 'approved_twice')?.payload).toMatchObject({
      payload: { by: 'people' },
    });
  });

  it('hitl: a rejection carries out the rejectAction', async () => {
    const stream = submit([
      {
        id: 'ask-first',
        trigger: { kind: 'onStart' },
        action: { type: 'hitl', rejectAction: { type: 'fail', message: 'A person said no' } },
      },
    ]);
    await stack.http.resolve(taskOf(await stream.untilType('hitl_request')), { resolution: 'reject' });
    const frames = await finished(stream, 'failed');
    expect(frames.at(-1)!.payload).toMatchObject({ error: { message: 'A person said no' } });
    expect(started(frames)).toEqual([]);
  });

  it('onNodeComplete, fail: what comes after the node never starts; all that match are recorded', async () => {
    const trigger: Runtime['trigger'] = {
      kind: 'onNodeComplete',
      selector: { kind: 'structuring' },
      condition: "startsWith(facets.sketch, 'sketch')",
    };
    const frames = await finished(
      submit([
        { id: 'off', enabled: false, trigger, action: { type: 'pause' } },
        { id: 'stop', trigger, action: { type: 'fail', message: 'Not like this' } },
        { id: 'tell', trigger, action: { type: 'emit', event: 'told' } },
        { id: 'elsewhere', trigger: { ...trigger, selector: { kind: 'execution' } }, action: { type: 'pause' } },
      ]),
      'failed',
    );
    expect(frames.at(-1)!.payload).toMatchObject({ error: { code: 'POLICY_FAILED', message: 'Not like this' } });
    expect(started(frames)).toEqual(['p.sketch']);
    const triggered = frames.find(({ type }) => type === 'policy_triggered')!;
    expect(triggered.payload).toMatchObject({ policyId: 'stop', matched: ['stop', 'tell'] });
  });

  it('onNodeComplete, goto: goes back as often as allowed, then goes on', async () => {
    const frames = await finished(
      submit([
        {
          id: 'once-more',
          trigger: { kind: 'onNodeComplete', selector: { capabilityId: 'p.write' } },
          action: { type: 'goto', next: 'p.sketch', maxAttempts: 2 },
          maxTriggers: 5,
        },
      ]),
    );
    expect(started(frames)).toEqual(['p.sketch', 'p.write', 'p.sketch', 'p.write', 'p.sketch', 'p.write']);
    expect(frames.find(({ payload }) => payload['done'] === false)?.payload).toMatchObject({
      policyId: 'once-more',
      action: 'goto',
    });
  });

  it('onValidationFail, emit: sees what is wrong; the retry goes on', async () => {
    write = ({ attempt }) => (attempt === 1 ? 42 : 'a text');
    const frames = await finished(
      submit([
        {
          id: 'bad-output',
          trigger: {
            kind: 'onValidationFail',
            condition: 'length(node.issues) == 1 && node.issues[0].pointer == "/text"',
          },
          action: { type: 'emit', event: 'bad_output' },
        },
      ]),
    );
    inOrder(
      frames.map(({ type }) => type),
      ['validation_error', 'policy_triggered', 'log', 'node_start', 'node_complete', 'complete'],
    );
    expect(acted(frames)).toEqual(['bad-output']);
  });

  it('onTimeout, emit: speaks up while the work goes on', async () => {
    const { work, letGo } = held();
    write = work;
    const stream = submit([
      {
        id: 'slow',
        trigger: { kind: 'onTimeout', ms: 200, selector: { kind: 'execution' } },
        action: { type: 'emit', event: 'slow' },
      },
    ]);
    const said = await stream.until(({ payload }) => payload['event'] === 'slow', 'the event of the policy');
    expect(stream.types).not.toContain('complete');
    letGo();
    const frames = await finished(stream);
    expect(frames.indexOf(said)).toBeLessThan(frames.findLastIndex(({ type }) => type === 'node_complete'));
    expect(acted(frames)).toEqual(['slow']);
  });

  it('onMetricBelow, pause: a signalled metric pauses the run until somebody resumes it', async () => {
    const { work, letGo, begun } = held();
    sketch = work;
    const stream = submit([
      {
        id: 'clicks',
        trigger: { kind: 'onMetricBelow', metric: 'clickRate', threshold: 0.02 },
        action: { type: 'pause', reason: 'Nobody clicks' },
      },
    ]);
    await begun;
    const { runId } = await stream.untilType('node_start');
    await signal(runId, { kind: 'metric', metric: 'clickRate', value: 0.5 });
    await signal(runId, { kind: 'metric', metric: 'clickRate', value: 0.01 });
    expect((await stream.untilType('run_paused')).payload).toMatchObject({
      reason: 'Nobody clicks',
      policyId: 'clicks',
    });
    letGo();
    await stream.untilType('node_complete');
    expect((await stack.http.run(runId)).status).toBe('paused');
    await stack.http.ok('POST', `/api/v1/flex/runs/${runId}/resume`, { expectedPlanVersion: 1 });
    const frames = await finished(stream);
    expect(acted(frames)).toEqual(['clicks']);
    inOrder(stream.types, ['run_paused', 'node_complete', 'run_resumed', 'node_start', 'complete']);
  });

  it('onMetricBelow, replan: a number in a facet asks for another plan, within the budget of the run', async () => {
    sketch = () => 'short';
    const policy: Runtime = {
      id: 'too-short',
      trigger: {
        kind: 'onNodeComplete',
        selector: { capabilityId: 'p.sketch' },
        condition: 'length(facets.sketch) < 10',
      },
      action: { type: 'replan', rationale: 'The sketch is too short' },
      maxTriggers: 10,
    };
    const failed = await finished(submit([policy], { maxReplans: 2 }), 'failed');
    expect(failed.filter(({ type }) => type === 'plan_updated').map(({ payload }) => payload['version'])).toEqual([
      2, 3,
    ]);
    expect(failed.at(-1)!.payload).toMatchObject({ error: { code: 'REPLAN_BUDGET_EXCEEDED' } });
    // With a budget of its own the policy stops asking, and the run goes on with what it has.
    const frames = await finished(submit([{ ...policy, maxTriggers: 1 }]));
    expect(acted(frames)).toEqual(['too-short']);
    expect(started(frames).filter((id) => id === 'p.write')).toHaveLength(1);
  });

  it('onCapabilityLost: the policy speaks first, then the run plans without the capability', async () => {
    const { work, letGo, begun } = held();
    sketch = work;
    const stream = submit([
      {
        id: 'writer-gone',
        trigger: { kind: 'onCapabilityLost', selector: { capabilityId: 'p.write' } },
        action: { type: 'emit', event: 'writer_gone' },
      },
    ]);
    await begun;
    await stack.http.ok('DELETE', '/api/v1/flex/capabilities/p.write');
    await stream.untilType('plan_updated');
    letGo();
    const frames = await finished(stream);
    inOrder(stream.types, ['policy_triggered', 'plan_requested', 'plan_updated', 'complete']);
    expect(frames.find(({ type }) => type === 'plan_updated')!.payload).toMatchObject({
      trigger: { kind: 'capability_lost' },
    });
    expect(frames.at(-1)!.payload).toMatchObject({ output: { text: 'another text' } });
    expect(started(frames)).toEqual(['p.sketch', 'p.other']);
    await stack.http.ok('POST', '/api/v1/flex/capabilities', {
      ...capabilityOf('p.write', 'execution', ['sketch'], ['text'], { traits: { strengths: ['text', 'topic'] } }),
    });
  });

  it('manual, replan: somebody asks for another plan by the policy’s name', async () => {
    const { work, letGo, begun } = held();
    sketch = work;
    const stream = submit([
      { id: 'not-this', trigger: { kind: 'manual' }, action: { type: 'pause' } },
      { id: 'again', trigger: { kind: 'manual' }, action: { type: 'replan', rationale: 'The product was renamed' } },
    ]);
    await begun;
    const { runId } = await stream.untilType('node_start');
    await signal(runId, { kind: 'manual', policyId: 'again', message: 'It is called Flex now' });
    const updated = await stream.untilType('plan_updated');
    expect(updated.payload).toMatchObject({
      trigger: { kind: 'policy', policyId: 'again', rationale: 'The product was renamed' },
    });
    letGo();
    expect(acted(await finished(stream))).toEqual(['again']);
  });

  it('budget: dispatch stops before a limit is crossed; a person may lift it', async () => {
    const rounds: Runtime = {
      id: 'three-rounds',
      trigger: { kind: 'onNodeComplete', selector: { capabilityId: 'p.write' } },
      action: { type: 'goto', next: 'p.sketch', maxAttempts: 2 },
      maxTriggers: 2,
    };
    const failed = await finished(submit([rounds], { maxNodes: 4 }), 'failed');
    expect(failed.at(-1)!.payload).toMatchObject({ error: { code: 'BUDGET_EXCEEDED' } });
    expect(started(failed)).toHaveLength(4);
    const stream = submit([rounds], { maxNodes: 4, action: { type: 'hitl', rationale: 'Go on?' } });
    await stack.http.resolve(taskOf(await stream.untilType('hitl_request')), { resolution: 'approve' });
    expect(started(await finished(stream))).toHaveLength(6);
  });

  it.each([
    [
      'a misspelt trigger',
      { runtime: [{ id: 'x', trigger: { kind: 'onNodeCompleted' }, action: { type: 'pause' } }] },
      'onNodeComplete',
    ],
    ['a misspelt field', { planner: { topologie: {} } }, 'topology'],
    [
      'a condition that does not compile',
      { runtime: [{ id: 'x', trigger: { kind: 'manual', condition: 'facets.text <' }, action: { type: 'pause' } }] },
      'line 1',
    ],
    ['a contradiction', { planner: { selection: { require: ['p.write'], forbid: ['p.write'] } } }, 'p.write'],
  ])('refuses %s, and says what would be right', async (_name, policies, hint) => {
    const problem = await stack.http.refused('POST', '/api/v1/flex/runs', {
      objective: 'A text',
      inputs: { topic: 'x' },
      outputContract: { mode: 'facets', facets: ['text'] },
      policies,
    });
    expect(problem.errors?.some(({ pointer }) => pointer.startsWith('/policies/'))).toBe(true);
    expect(JSON.stringify(problem)).toContain(hint);
  });
});
