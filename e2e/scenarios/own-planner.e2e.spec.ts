import { AckPolicy, jetstream, jetstreamManager } from '@nats-io/jetstream';
import type { EventData, Frame } from '@flex/contracts';
import { capabilityOf, facetOf, publish } from '../harness/catalog.js';
import { inOrder, resumesExactly, wellFormed } from '../harness/expectations.js';
import { OutsideAgent, publishEvent } from '../harness/outside-agent.js';
import { OwnStack } from '../harness/own-stack.js';

/** Scenario 4, on a stack without a planner: the test plays it by publishing on the bus. */
describe('A planner of our own', () => {
  let stack: OwnStack;
  let agent: OutsideAgent;

  beforeAll(async () => {
    stack = await OwnStack.start({ without: ['planner', 'worker'] });
    await publish(stack.http, [
      facetOf('question', { type: 'string' }, 'input'),
      facetOf('answer', { type: 'string' }),
    ]);
    agent = await OutsideAgent.start(
      stack.http,
      stack.nats,
      capabilityOf('oracle.answer', 'execution', ['question'], ['answer']),
      ({ inputs }) => ({ answer: `re: ${String(inputs['question'])}` }),
    );
  }, 120_000);
  afterAll(async () => {
    await agent?.stop();
    await stack?.stop();
  }, 60_000);

  const envelope = {
    objective: 'Answer the question',
    inputs: { question: 'why?' },
    outputContract: { mode: 'facets', facets: ['answer'] },
  };
  const draft = (capabilityId: string) => ({
    nodes: [
      {
        id: 'answer',
        kind: 'execution',
        capabilityId,
        label: 'Answer',
        inputFacets: ['question'],
        outputFacets: ['answer'],
      },
    ],
    metadata: { runtime: 'llm', provider: 'test', model: 'scripted' },
  });

  it('is refused for an unregistered capability, told why, and accepted when it revises', async () => {
    const requests = await planRequests(stack);
    const stream = stack.http.stream(envelope);

    const first = await requests.next();
    expect(first.data).toMatchObject({ attempt: 1, phase: 'initial', objective: envelope.objective, diagnostics: [] });
    expect(first.data.registry.capabilities).toContain('oracle.answer');
    await drafted(stack, first, draft('ghost.writer'));

    const second = await requests.next();
    expect(second.data.attempt).toBe(2);
    const found = second.data.diagnostics.find((diagnostic) => diagnostic.code === 'CAPABILITY_NOT_REGISTERED');
    expect(found).toMatchObject({ severity: 'error', nodeId: 'answer', capabilityId: 'ghost.writer' });
    await drafted(stack, second, draft('oracle.answer'));
    // The same draft again, and a late one for the first attempt: silence.
    await drafted(stack, second, draft('oracle.answer'), 'again');
    await drafted(stack, first, draft('ghost.writer'), 'late');

    const frames = await stream.completed();
    wellFormed(stream);
    await resumesExactly(stack.http, stream);
    inOrder(stream.types, [
      'start',
      'plan_requested',
      'plan_rejected',
      'plan_requested',
      'plan_generated',
      'node_start',
      'node_complete',
      'complete',
    ]);
    expect(codesOf(frames.find((frame) => frame.type === 'plan_rejected')!)).toContain('CAPABILITY_NOT_REGISTERED');
    expect(codesOf(frames.filter((frame) => frame.type === 'plan_requested')[1]!)).toContain(
      'CAPABILITY_NOT_REGISTERED',
    );
    expect(frames.filter((frame) => frame.type === 'plan_generated')).toHaveLength(1);
    expect(frames.at(-1)!.payload).toMatchObject({ status: 'completed', output: { answer: 're: why?' } });

    const run = await stack.http.run(frames[0]!.runId);
    expect(run).toMatchObject({ status: 'completed', planVersion: 1, planAttempts: 2 });
    const plan = await stack.http.plan(run.runId);
    expect(plan.metadata).toMatchObject({ attempts: 2, planner: { runtime: 'llm', model: 'scripted' } });
    expect(agent.seen.filter((item) => item.runId === run.runId)).toHaveLength(1);
    await requests.stop();
  });
});

const codesOf = (frame: Frame): string[] =>
  (frame.payload['diagnostics'] as { code: string }[]).map((entry) => entry.code);

interface PlanRequest {
  runId: string;
  partition: string;
  data: EventData<'plan.requested'>;
}

/** Planning requests as a planner in any language would read them. */
async function planRequests(stack: OwnStack): Promise<{ next(): Promise<PlanRequest>; stop(): Promise<void> }> {
  const manager = await jetstreamManager(stack.nats);
  await manager.consumers.add('FLEX', {
    name: 'test-planner',
    filter_subject: 'plan.requested.*.*',
    ack_policy: AckPolicy.Explicit,
  });
  const consumer = await jetstream(stack.nats).consumers.get('FLEX', 'test-planner');
  return {
    next: async () => {
      const message = await consumer.next({ expires: 30_000 });
      if (!message) throw new Error('no planning request came');
      message.ack();
      const [, , partition, runId] = message.subject.split('.') as [string, string, string, string];
      return { runId, partition, data: message.json() };
    },
    stop: async () => void (await manager.consumers.delete('FLEX', 'test-planner')),
  };
}

const drafted = (stack: OwnStack, { runId, partition, data }: PlanRequest, draft: object, mark = ''): Promise<number> =>
  publishEvent(stack.nats, `plan.drafted.${partition}.${runId}`, {
    id: `${runId}:${data.requestId}:${data.attempt}:drafted${mark}`,
    type: 'plan.drafted',
    runId,
    source: 'planner',
    data: { requestId: data.requestId, attempt: data.attempt, draft },
  });
