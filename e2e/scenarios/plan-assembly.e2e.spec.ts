import type { DeltaOperation, Frame, PlanGraph, RegisteredCapability } from '@flex/contracts';
import { capabilityOf, facetOf, publish } from '../harness/catalog.js';
import { inOrder, wellFormed } from '../harness/expectations.js';
import { OutsideAgent, type Handler } from '../harness/outside-agent.js';
import { OwnStack } from '../harness/own-stack.js';
import { graphOf } from '../harness/plan-graph.js';
import { example } from '../harness/target.js';

const text = { type: 'string' };

/** What the planner makes of a live registry, seen over SSE, on a stack where nobody else registers anything. */
describe('Plan assembly', () => {
  let stack: OwnStack;
  const agents: OutsideAgent[] = [];

  beforeAll(async () => {
    stack = await OwnStack.start();
  }, 180_000);
  afterAll(async () => {
    for (const agent of agents) await agent.stop();
    await stack?.stop();
  }, 60_000);

  const agent = async (
    id: string,
    needs: string[],
    gives: string[],
    handle: Handler,
    rest: Partial<RegisteredCapability> = {},
  ): Promise<void> => {
    const capability = capabilityOf(id, 'execution', needs, gives, { retry: { maxAttempts: 1 }, ...rest });
    agents.push(await OutsideAgent.start(stack.http, stack.nats, capability, handle));
  };
  const echo =
    (facet: string): Handler =>
    ({ inputs }) => ({ [facet]: `${facet} of ${Object.values(inputs).join(' and ')}` });
  const wanting = (facets: string[], inputs: Record<string, unknown>, rest: object = {}): object => ({
    objective: 'Make it',
    inputs,
    outputContract: { mode: 'facets', facets },
    ...rest,
  });
  const planOf = ({ payload }: Frame): PlanGraph => payload['plan'] as unknown as PlanGraph;

  it.each(['linkedin-variants', 'blog-two-branches', 'rejection-letter'])('%s: the graph as reviewed', async (name) => {
    const stream = stack.http.stream(example(name));
    const plan = planOf(await stream.untilType('plan_generated'));
    expect(graphOf(plan)).toMatchSnapshot();
    // What is shown is what is kept.
    expect(graphOf(await stack.http.plan(plan.runId))).toEqual(graphOf(plan));
    stream.close();
  });

  it('a capability that comes near begins, and a person finishes', async () => {
    const legal = { ...facetOf('legalLetter', {}), extends: 'plainLetter' };
    await publish(stack.http, [facetOf('occasion', text, 'input'), facetOf('plainLetter', text), legal]);
    await agent('letters.plain', ['occasion'], ['plainLetter'], echo('plainLetter'));
    const stream = stack.http.stream(wanting(['legalLetter'], { occasion: 'a dispute' }));
    const plan = planOf(await stream.untilType('plan_generated'));
    expect(graphOf(plan)).toMatchSnapshot();
    const derived = plan.nodes.find((node) => node.derivedFrom === 'letters.plain')!;
    expect(plan.metadata.derived).toEqual([derived.id]);
    const fallback = await stream.untilType('plan_fallback');
    expect(fallback.payload).toMatchObject({ facets: ['legalLetter'] });
    const { payload } = await stream.untilType('hitl_request');
    expect(payload).toMatchObject({ kind: 'output', context: { plainLetter: 'plainLetter of a dispute' } });
    await stack.http.resolve(payload['taskId'] as string, { resolution: 'answer', answer: 'Dear Sirs' });
    const frames = await stream.completed();
    wellFormed(stream);
    expect(frames.at(-1)!.payload).toMatchObject({ status: 'completed', output: { legalLetter: 'Dear Sirs' } });
  });

  it('an upstream output with three directions spawns three branches mid-run, as a new version', async () => {
    await publish(stack.http, [
      facetOf('product', text, 'input'),
      {
        ...facetOf('directions', { type: 'array', items: { type: 'object' } }),
        tags: ['branches'],
      },
      facetOf('idea', text),
      facetOf('advert', { type: 'array', items: text }),
    ]);
    await agent(
      'adverts.strategist',
      ['product'],
      ['idea', 'directions'],
      ({ inputs }) => ({
        idea: `idea for ${String(inputs['product'])}`,
        directions: ['Bold', 'Calm', 'Funny'].map((label) => ({ label, inputs: { mood: label.toLowerCase() } })),
      }),
      { kind: 'structuring' },
    );
    await agent('adverts.writer', ['idea'], ['advert'], ({ inputs, instruction }) => ({
      advert: [`${String(inputs['idea'])}: ${/bold|calm|funny/.exec(instruction ?? '')?.[0]}`],
    }));
    const stream = stack.http.stream(wanting(['advert'], { product: 'tea' }));
    const frames = await stream.completed();
    wellFormed(stream);
    inOrder(stream.types, [
      'plan_generated',
      'node_complete',
      'plan_requested',
      'plan_updated',
      'plan_branch',
      'plan_branch',
      'plan_branch',
      'complete',
    ]);
    const { runId, payload } = frames.find(({ type }) => type === 'plan_updated')!;
    expect(payload).toMatchObject({ previousVersion: 1, version: 2, trigger: { kind: 'branch' } });
    const plan = await stack.http.plan(runId, 2);
    expect(graphOf(plan)).toMatchSnapshot();
    const writers = plan.nodes.filter((node) => node.capabilityId === 'adverts.writer');
    expect(writers.map((node) => node.branchId)).toEqual(['bold', 'calm', 'funny']);
    // Finished work stays as it was, and what is new inherits facets and compiled schemas.
    const [before, after] = [await stack.http.plan(runId, 1), plan].map(({ nodes }) =>
      nodes.find((node) => node.capabilityId === 'adverts.strategist'),
    );
    expect(after).toEqual(before);
    const first = (await stack.http.plan(runId, 1)).nodes.find((node) => node.capabilityId === 'adverts.writer')!;
    for (const writer of writers) {
      expect(writer.facets).toEqual(first.facets);
      expect([writer.inputSchema, writer.outputSchema]).toEqual([first.inputSchema, first.outputSchema]);
    }
    expect(frames.at(-1)!.payload['output']).toEqual({
      advert: ['idea for tea: bold', 'idea for tea: calm', 'idea for tea: funny'],
    });
  });

  it('an operator asks for branches in the review, and edits them: versions, persistence, SSE', async () => {
    const { inputs } = example('linkedin-variants') as { inputs: Record<string, unknown> };
    const stream = stack.http.stream(wanting(['copyVariants'], inputs, { review: true }));
    const asked = await stream.untilType('hitl_request');
    const { runId } = asked;
    const path = `/api/v1/flex/tasks/${encodeURIComponent(asked.payload['taskId'] as string)}/resolve`;
    const branches = [
      { id: 'founders', label: 'For founders' },
      { id: 'editors', label: 'For editors' },
    ];
    const both = await stack.http.refused('POST', path, {
      resolution: 'edit',
      baseVersion: 1,
      branches,
      operations: [{ op: 'removeNode', nodeId: 'x' }] satisfies DeltaOperation[],
    });
    expect(both).toMatchObject({ status: 422, errors: [{ pointer: '/operations' }] });
    await stack.http.ok('POST', path, { resolution: 'edit', baseVersion: 1, branches, comment: 'Two audiences' });
    const frames = await stream.completed();
    wellFormed(stream);
    inOrder(stream.types, [
      'plan_generated',
      'hitl_request',
      'plan_requested',
      'hitl_resolved',
      'plan_updated',
      'plan_branch',
      'plan_branch',
      'node_start',
      'complete',
    ]);
    expect(stream.types.indexOf('node_start')).toBeGreaterThan(stream.types.indexOf('plan_updated'));
    expect((await stack.http.planVersions(runId)).map(({ cause }) => cause.kind)).toEqual(['initial', 'review']);
    const plan = await stack.http.plan(runId, 2);
    expect(graphOf(plan)).toMatchSnapshot();
    for (const { id } of branches) {
      const kinds = plan.nodes.filter((node) => node.branchId === id).map((node) => node.kind);
      expect(kinds).toEqual(expect.arrayContaining(['branch', 'execution', 'validation']));
    }
    expect(frames.at(-1)!.payload).toMatchObject({ status: 'completed' });
  });

  it('what fails for good gives way to the runner-up, then to a person, with the facets concerned', async () => {
    await publish(stack.http, [facetOf('topic', text, 'input'), facetOf('poem', text)]);
    const fails = (): never => {
      throw new Error('no rhyme comes');
    };
    const strengths = (...words: string[]) => ({ traits: { strengths: words } });
    await agent('poems.first', ['topic'], ['poem'], fails, strengths('poem', 'topic'));
    await agent('poems.second', ['topic'], ['poem'], fails, strengths('topic'));
    const stream = stack.http.stream({ ...wanting(['poem'], { topic: 'rain' }), objective: 'A poem on the topic' });
    const { payload } = await stream.untilType('hitl_request');
    expect(payload).toMatchObject({ kind: 'output', contract: { facets: ['poem'] }, context: { topic: 'rain' } });
    await stack.http.resolve(payload['taskId'] as string, { resolution: 'answer', answer: 'Rain, again' });
    const frames = await stream.completed();
    wellFormed(stream);
    const started = frames.filter(({ type }) => type === 'node_start').map((frame) => frame.payload['capabilityId']);
    expect(started.slice(0, 2)).toEqual(['poems.first', 'poems.second']);
    const gaveWay = frames
      .filter(({ type, payload: { from } }) => type === 'plan_fallback' && from)
      .map((frame) => frame.payload);
    expect(gaveWay.at(0)).toMatchObject({ from: 'poems.first', to: 'poems.second', facets: ['poem'] });
    expect(gaveWay.at(-1)).toMatchObject({ from: 'poems.second', facets: ['poem'] });
    expect(frames.at(-1)!.payload).toMatchObject({ status: 'completed', output: { poem: 'Rain, again' } });
  });

  it('who fails all the time loses to a healthy runner-up in the next plan, and everybody can see why', async () => {
    await publish(stack.http, [facetOf('theme', text, 'input'), facetOf('song', text)]);
    let isIll = true;
    const sing: Handler = (item) => {
      if (isIll) throw new Error('hoarse');
      return echo('song')(item);
    };
    await agent('songs.first', ['theme'], ['song'], sing, { traits: { strengths: ['song'] } });
    await agent('songs.second', ['theme'], ['song'], echo('song'));
    const task = { ...wanting(['song'], { theme: 'spring' }), objective: 'A song on the theme' };
    const singerOf = async (): Promise<PlanGraph['nodes'][number]> => {
      const stream = stack.http.stream(task);
      const plan = planOf((await stream.completed()).find(({ type }) => type === 'plan_generated')!);
      return plan.nodes.find((node) => node.facets.output.includes('song') && node.kind === 'execution')!;
    };
    // At once: one after the other, on a slow machine, the second would already know how the first one ended.
    const [first] = await Promise.all([singerOf(), singerOf(), singerOf(), singerOf()]);
    expect(first).toMatchObject({ capabilityId: 'songs.first', selection: { breakdown: { health: 1 } } });
    const healthOf = async (id: string): Promise<number> =>
      (await stack.http.ok<RegisteredCapability>('GET', `/api/v1/flex/capabilities/${id}`)).health ?? 1;
    await until(async () => (await healthOf('songs.first')) < 0.5);
    expect(await healthOf('songs.second')).toBe(1);
    const { items } = await stack.http.ok<{ items: RegisteredCapability[] }>('GET', '/api/v1/flex/capabilities');
    const ill = items.find(({ capabilityId }) => capabilityId === 'songs.first')!;
    expect(ill.calls!.failed).toBeGreaterThan(2);

    const now = await singerOf();
    expect(now).toMatchObject({ capabilityId: 'songs.second', selection: { breakdown: { health: 1 } } });
    const [passed] = now.selection!.runnersUp;
    expect(passed!.capabilityId).toBe('songs.first');
    expect(passed!.score).toBeLessThan(now.selection!.score);
    isIll = false;
  });

  describe('bad input, before anything runs', () => {
    it('a facet that extends itself, in two steps', async () => {
      const facet = (name: string, parent: string) => ({ ...facetOf(name, text), extends: parent });
      const refused = await stack.http.refused('POST', '/api/v1/flex/registry', {
        facets: [facet('chicken', 'egg'), facet('egg', 'chicken')],
      });
      expect(refused).toMatchObject({ status: 422, code: 'invalid_facet' });
      expect(refused.errors![0]).toMatchObject({ pointer: '/facets/0/extends' });
    });

    it('a capability that requires what only it makes', async () => {
      await publish(stack.http, [facetOf('ouroboros', text)]);
      const capability = capabilityOf('snake.bite', 'execution', ['ouroboros'], ['ouroboros']);
      const refused = await stack.http.refused('POST', '/api/v1/flex/capabilities', capability);
      expect(refused).toMatchObject({ status: 422, code: 'invalid_capability' });
      expect(refused.errors!.map(({ pointer }) => pointer)).toEqual(['/outputFacets/0']);
    });

    it.each([
      ['required and forbidden', { selection: { require: ['writer.linkedin'], forbid: ['writer.linkedin'] } }],
      ['more variants than the contract takes', { topology: { variantCount: 5 } }],
      [
        'a kind required and forbidden',
        { topology: { requiredKinds: ['validation'], forbiddenKinds: ['validation'] } },
      ],
    ])('policies that contradict each other or the contract: %s', async (_, planner) => {
      const envelope = { ...example('linkedin-variants'), policies: { planner } };
      const refused = await stack.http.refused('POST', '/api/v1/flex/runs', envelope);
      expect(refused).toMatchObject({ status: 422, code: 'invalid_envelope' });
      const [issue] = refused.errors!;
      expect(issue).toMatchObject({
        keyword: 'POLICY_CONFLICT',
        pointer: expect.stringMatching(/^\/policies\/planner/),
      });
      // What is wrong, and what to do about it.
      expect(issue!.message).toMatch(/\. (Keep|Ask|Allow|Set|Use|Raise|Lower)/);
    });
  });
});

async function until(holds: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 30_000;
  while (!(await holds())) {
    if (performance.now() > deadline) throw new Error('it did not happen in 30 s');
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
