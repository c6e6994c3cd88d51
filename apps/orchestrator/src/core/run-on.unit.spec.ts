import type { EventData, PlannerDraft, TaskEnvelope } from '@flex/contracts';
import { normalizePolicies } from '@flex/planning';
import { Scenario } from '../simulation/scenario.js';
import { registry } from '../simulation/world.js';

type DraftNode = PlannerDraft['nodes'][number];
type Report = EventData<'node.reported'>;

const node = (id: string, more: Partial<DraftNode> = {}): DraftNode => ({
  id,
  kind: 'execution',
  capabilityId: 'sim.one',
  label: id,
  inputFacets: [],
  outputFacets: ['text', 'score'],
  ...more,
});
/** Nodes one after the other, unless edges say otherwise. */
const planOf = (nodes: DraftNode[], edges?: PlannerDraft['edges']): PlannerDraft => ({
  nodes,
  edges: edges ?? nodes.slice(1).map(({ id }, i) => ({ from: nodes[i]!.id, to: id })),
});
const begin = (plan: PlannerDraft, more: Partial<TaskEnvelope> = {}): Scenario => new Scenario({ plan, ...more });
const named = (run: Scenario, nodeId = 'a'): string[] =>
  run.last('node.dispatched', (data) => data.nodeId === nodeId)!.data.next?.map((step) => step.nodeId) ?? [];

const outputs = { text: 'fine', score: 0.9 };
const result = (nodeId: string, more: object = { outputs }) => ({ nodeId, attempt: 1, ...more });
const says = (run: Scenario, report: Report, key = 'sim.one'): Scenario => run.given('node.reported', report, key);
const accepted = (run: Scenario): string[] =>
  run.log.events.flatMap((event) =>
    ((event.data as { accepted?: { nodeId: string }[] }).accepted ?? []).map(({ nodeId }) => nodeId),
  );

const abc = planOf([node('a'), node('b'), node('c')]);

describe('a dispatch names the steps that may follow it', () => {
  it('one after the other, also of another capability, as long as no person does them', () => {
    expect(named(begin(abc))).toEqual(['b', 'c']);
    const mixed = begin(planOf([node('a'), node('b', { capabilityId: 'sim.two' }), node('c')]));
    const { next } = mixed.last('node.dispatched')!.data;
    expect(next).toMatchObject([{ nodeId: 'b', capabilityId: 'sim.two', key: 'sim.two' }, { nodeId: 'c' }]);
    expect(next![1]).not.toHaveProperty('key');
    expect(named(begin(planOf([node('a'), node('b', { capabilityId: 'sim.person' }), node('c')])))).toEqual([]);
  });

  it('not where ways part or meet', () => {
    const fan = planOf(
      [node('a'), node('b'), node('c')],
      [
        { from: 'a', to: 'b' },
        { from: 'a', to: 'c' },
      ],
    );
    expect(named(begin(fan))).toEqual([]);
    const join = planOf(
      [node('a'), node('b'), node('c')],
      [
        { from: 'a', to: 'c' },
        { from: 'b', to: 'c' },
      ],
    );
    expect(named(begin(join))).toEqual([]);
  });

  it('not where something has to be decided in between', () => {
    const edges = [{ from: 'a', to: 'b', condition: { '>': [{ var: 'facets.score' }, 0.5] } }];
    expect(named(begin(planOf([node('a'), node('b')], edges as never)))).toEqual([]);
    const fussy = { ...registry, capabilities: new Map(registry.capabilities) };
    fussy.capabilities.set('sim.one', {
      ...registry.capabilities.get('sim.one')!,
      postConditions: [{ facet: 'score', condition: { '>': [{ var: 'value' }, 0.5] } }],
    });
    expect(named(new Scenario({ plan: abc }, fussy))).toEqual([]);
    const branching = { ...registry, facets: new Map(registry.facets) };
    branching.facets.set('text', { ...registry.facets.get('text')!, tags: ['branches'] });
    expect(named(new Scenario({ plan: abc }, branching))).toEqual([]);
  });

  it.each([
    [{ runtime: [{ id: 'p', trigger: { kind: 'onNodeComplete' }, action: { type: 'emit', event: 'e' } }] }],
    [{ budget: { maxNodes: 9 } }],
    [{ budget: { maxCost: 9 } }],
  ])('not in a run that is governed: %j', (policies) => {
    const run = begin(abc, { policies: policies as never }).given('policy.normalized', {
      policies: normalizePolicies(policies as never).policies!,
    });
    expect(named(run)).toEqual([]);
  });

  it('with what it reads: known now, or made by a step before it', () => {
    const withInputs = { ...registry, capabilities: new Map(registry.capabilities) };
    const one = registry.capabilities.get('sim.one')!;
    const reads = (...facets: string[]) => ({ inputFacets: facets.map((facet) => ({ facet, required: true })) });
    withInputs.capabilities.set('sim.one', { ...one, ...reads('text') });
    withInputs.facets = new Map(registry.facets).set('brief', { ...registry.facets.get('text')!, name: 'brief' });
    const plan = planOf([node('a', { inputFacets: ['text'] }), node('b', { inputFacets: ['text'] })]);
    const run = new Scenario({ plan, inputs: { text: 'given' } }, withInputs);
    const { inputs, next } = run.last('node.dispatched')!.data;
    expect(inputs).toEqual({ text: 'given' });
    expect(next).toMatchObject([{ nodeId: 'b', inputs: {}, take: { text: { nodeId: 'a', facet: 'text' } } }]);
  });
});

describe('a step of another capability', () => {
  const withInputs = (facets: Record<string, string[]>) => {
    const capabilities = new Map(registry.capabilities);
    for (const [id, names] of Object.entries(facets))
      capabilities.set(id, {
        ...capabilities.get(id)!,
        inputFacets: names.map((facet) => ({ facet, required: true })),
      });
    const brief = { ...registry.facets.get('text')!, name: 'brief' };
    return { ...registry, capabilities, facets: new Map(registry.facets).set('brief', brief) };
  };
  const inputs = { brief: 'secret' };
  const plan = (first: string[]) =>
    planOf([node('a', { inputFacets: first }), node('b', { capabilityId: 'sim.two', inputFacets: ['brief', 'text'] })]);

  it('is named only if its inputs tell the worker of the first nothing new', () => {
    const told = withInputs({ 'sim.one': ['brief'], 'sim.two': ['brief', 'text'] });
    expect(named(new Scenario({ plan: plan(['brief']), inputs }, told))).toEqual(['b']);
    const untold = withInputs({ 'sim.one': [], 'sim.two': ['brief', 'text'] });
    expect(named(new Scenario({ plan: plan([]), inputs }, untold))).toEqual([]);
  });

  it('is reported under its own key, after it was named', () => {
    const run = begin(
      planOf([node('a'), node('b', { capabilityId: 'sim.two' }), node('c', { capabilityId: 'sim.two' })]),
    );
    run.then();
    says(run, { ...result('a'), at: { nodeId: 'b', attempt: 1 } });
    expect(run.state.nodes.get('b')).toMatchObject({ status: 'running', key: 'sim.two' });
    says(run, { ...result('b'), further: [result('c')] }, 'sim.one');
    expect(accepted(run)).toEqual(['a']);
    says(run, { ...result('b'), further: [result('c')] }, 'sim.two');
    expect(accepted(run)).toEqual(['a', 'b', 'c']);
    expect(run.dispatched()).toEqual(['a#1']);
  });

  it('may be followed by one of the first again', () => {
    const run = begin(planOf([node('a'), node('b', { capabilityId: 'sim.two' }), node('c'), node('d')]));
    run.then();
    says(run, { ...result('a'), at: { nodeId: 'b', attempt: 1 } });
    says(run, { ...result('b'), at: { nodeId: 'c', attempt: 1 } }, 'sim.two');
    says(run, { ...result('c'), further: [result('d')] });
    expect(run.then()).toEqual(['node.completed', 'node.completed', 'run.completed']);
    expect(accepted(run)).toEqual(['a', 'b', 'c', 'd']);
  });

  it('is waited for when its report is right behind: one decision takes all over', () => {
    const run = begin(planOf([node('a'), node('b', { capabilityId: 'sim.two' }), node('c')]));
    run.then();
    says(run, { ...result('a'), at: { nodeId: 'b', attempt: 1, follows: true } });
    says(run, { ...result('b'), at: { nodeId: 'c', attempt: 1, follows: true } }, 'sim.two');
    expect(run.then()).toEqual([]);
    says(run, result('c'));
    expect(run.then()).toEqual(['run.completed']);
    expect(accepted(run)).toEqual(['a', 'b', 'c']);
  });

  it('may be reported before that which leads to it', () => {
    const run = begin(planOf([node('a'), node('b', { capabilityId: 'sim.two' }), node('c'), node('d')]));
    run.then();
    says(run, { ...result('c'), further: [result('d')] });
    says(run, { ...result('b'), at: { nodeId: 'c', attempt: 1, follows: true } }, 'sim.two');
    expect(run.then()).toEqual([]);
    says(run, { ...result('a'), at: { nodeId: 'b', attempt: 1, follows: true } });
    expect(run.then()).toEqual(['run.completed']);
    expect(accepted(run)).toEqual(['a', 'b', 'c', 'd']);
  });

  it('is not believed early under another key, nor when nothing leads to it', () => {
    const run = begin(planOf([node('a'), node('b', { capabilityId: 'sim.two' })]));
    says(run, result('b', { outputs: { text: 'forged', score: 0 } }), 'sim.one');
    says(run, result('b'), 'sim.two');
    says(run, result('a'));
    expect(run.dispatched()).toEqual(['a#1', 'b#1']);
    expect(accepted(run)).toEqual(['a']);
  });

  it('is not waited for longer than it may take', () => {
    const run = begin(planOf([node('a'), node('b', { capabilityId: 'sim.two' })]));
    run.then();
    says(run, { ...result('a'), at: { nodeId: 'b', attempt: 1, follows: true } });
    // The first of the two deadlines is that of a step which has reported.
    expect(run.wait().then()).toEqual([]);
    expect(run.wait().then()).toEqual(['node.failed', 'node.completed']);
    run.wait();
    expect([accepted(run), run.dispatched()]).toEqual([['a'], ['a#1', 'b#2']]);
  });

  it('does not come among the results of the first', () => {
    const run = begin(planOf([node('a'), node('b', { capabilityId: 'sim.two' })]));
    says(run, { ...result('a'), further: [result('b')] });
    expect(run.dispatched()).toEqual(['a#1', 'b#1']);
  });
});

describe('a worker went on', () => {
  it('and all that it made is accepted in order, by one decision', () => {
    const run = begin(abc);
    run.then();
    says(run, { ...result('a'), further: [result('b'), result('c')] });
    expect(run.then()).toEqual(['run.completed']);
    expect(accepted(run)).toEqual(['a', 'b', 'c']);
    expect(run.dispatched()).toEqual(['a#1']);
  });

  it('up to a step that failed: that one is tried again, by itself', () => {
    const run = begin(abc);
    run.then();
    says(run, { ...result('a'), further: [result('b', { error: { code: 'BROKEN', message: 'x' } })] });
    expect(run.then()).toEqual(['node.failed']);
    expect(accepted(run)).toEqual(['a']);
    expect(run.wait().dispatched()).toEqual(['a#1', 'b#2']);
    expect(named(run, 'b')).toEqual(['c']);
  });

  it('and is still at a slow one: it is running, and reported by itself', () => {
    const run = begin(abc);
    run.then();
    says(run, { ...result('a'), at: { nodeId: 'b', attempt: 1 } });
    expect(run.then()).toEqual(['node.completed']);
    expect(run.state.nodes.get('b')).toMatchObject({ status: 'running', attempt: 1 });
    says(run, result('b'));
    expect(run.then()).toEqual(['node.dispatched']);
    expect(run.dispatched()).toEqual(['a#1', 'c#1']);
  });

  it('on a result that does not count: what followed from it does not either', () => {
    const run = begin(abc);
    run.then();
    says(run, { ...result('a', { outputs: { text: 7, score: 0.5 } }), further: [result('b'), result('c')] });
    expect(run.then()).toEqual(['validation.failed', 'node.failed']);
    expect(accepted(run)).toEqual([]);
    expect(run.wait().dispatched()).toEqual(['a#1', 'a#2']);
    expect(run.last('node.dispatched')!.data.next).toMatchObject([
      { nodeId: 'b', attempt: 2 },
      { nodeId: 'c', attempt: 2 },
    ]);
    says(run, {
      ...result('a'),
      attempt: 2,
      further: [
        { ...result('b'), attempt: 2 },
        { ...result('c'), attempt: 2 },
      ],
    });
    expect(run.last('run.completed')).toBeDefined();
  });

  it('while the run was paused: what was handed out before counts, and nothing more starts', () => {
    const run = begin(abc).given('run.pause_requested', {});
    says(run, { ...result('a'), further: [result('b')] });
    expect(run.state.nodes.get('b')!.status).toBe('completed');
    expect(run.dispatched()).toEqual(['a#1']);
    run.given('run.resume_requested', {});
    expect(run.dispatched()).toEqual(['a#1', 'c#1']);
  });
});

describe('a name', () => {
  it('stands for the same inputs for ever: who follows another attempt has another', () => {
    const run = begin(abc);
    says(run, result('a', { error: { code: 'BROKEN', message: 'x' } }));
    run.wait();
    expect(run.last('node.dispatched')!.data.next).toMatchObject([
      { nodeId: 'b', attempt: 2 },
      { nodeId: 'c', attempt: 2 },
    ]);
    // A worker that was late with the first attempt went on from what it made then.
    says(run, { ...result('a'), further: [result('b')] });
    says(run, { ...result('a'), attempt: 2, at: { nodeId: 'b', attempt: 2 } });
    says(run, { ...result('a'), further: [result('b')] });
    expect(run.state.nodes.get('b')).toMatchObject({ status: 'running', attempt: 2 });
    expect(run.state.nodes.get('b')!.report).toBeUndefined();
  });

  it('is kept by a step that its worker leaves to others', () => {
    const run = begin(abc);
    says(run, result('a', { error: { code: 'BROKEN', message: 'x' } })).wait();
    says(run, { ...result('a'), attempt: 2 });
    expect(run.dispatched()).toEqual(['a#1', 'a#2', 'b#2']);
  });
});

describe('a report is not believed', () => {
  it.each<[string, Report, string, string[]]>([
    ['about steps that the dispatch does not name', { ...result('a'), further: [result('c')] }, 'sim.one', ['a']],
    ['about another attempt', { ...result('a'), further: [{ ...result('b'), attempt: 2 }] }, 'sim.one', ['a']],
    ['of another capability', { ...result('a'), further: [result('b')] }, 'sim.two', []],
  ])('%s', (_, report, key, counts) => {
    const run = begin(abc);
    says(run, report, key);
    expect(accepted(run)).toEqual(counts);
    expect(run.state.nodes.get('c')!.status).toBe('pending');
  });

  it('twice', () => {
    const run = begin(abc);
    says(run, { ...result('a'), further: [result('b')] });
    expect(run.dispatched()).toEqual(['a#1', 'c#1']);
    run.then();
    says(run, { ...result('a'), further: [result('b', { outputs: { text: 'other', score: 0 } })] });
    expect(run.then()).toEqual([]);
    expect(run.state.nodes.get('b')!.outputs).toEqual(outputs);
  });

  it('to be at a step for ever: who takes over and comes less far gives it back, under the same name', () => {
    const run = begin(abc);
    says(run, { ...result('a'), at: { nodeId: 'b', attempt: 1 } });
    run.then();
    says(run, result('a'));
    expect(run.then()).toEqual(['node.dispatched']);
    expect(run.dispatched()).toEqual(['a#1', 'b#1']);
    // Both may be at it now: the first word counts.
    says(run, result('b'));
    says(run, result('b', { outputs: { text: 'other', score: 0 } }));
    expect(run.state.nodes.get('b')!.outputs).toEqual(outputs);
  });

  it('to have left a step that was dispatched by itself since', () => {
    const run = begin(abc);
    says(run, { ...result('a'), at: { nodeId: 'b', attempt: 1 } });
    says(run, result('b', { error: { code: 'BROKEN', message: 'x' } })).wait();
    expect(run.dispatched()).toEqual(['a#1', 'b#2']);
    run.then();
    says(run, result('a'));
    expect(run.then()).toEqual([]);
    expect(run.state.nodes.get('b')).toMatchObject({ status: 'running', attempt: 2 });
  });

  it('about the rest when a second delivery repeats what is known and was slow before', () => {
    const run = begin(abc);
    says(run, { ...result('a'), at: { nodeId: 'b', attempt: 1 } });
    says(run, { ...result('a'), further: [result('b'), result('c')] });
    expect(run.last('run.completed')).toBeDefined();
  });
});
