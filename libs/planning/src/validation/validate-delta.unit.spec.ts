import fc from 'fast-check';
import type { CompiledDelta, DeltaOperation, PlanDelta, PlanGraph } from '@flex/contracts';
import { diffPlans } from '../delta/diff-plans.js';
import { mergeDelta } from '../delta/merge-delta.js';
import { linkedinDraft, node, origin, question, reviewer, shaper, writer } from './seed-world.spec.js';
import { validateDelta } from './validate-delta.js';
import { validateDraft } from './validate-draft.js';

const plan = validateDraft(question(), linkedinDraft(), origin).plan!;
const progress = (completed: string[], running: string[] = [], failed: string[] = []) => ({
  completed: new Set(completed),
  running: new Set(running),
  failed: new Set(failed),
});
const judge = (
  operations: DeltaOperation[],
  done = progress(['strategist', 'writer', 'reviewer']),
  more: Partial<PlanDelta> = {},
  base: PlanGraph = plan,
) =>
  validateDelta(question(), base, done, { baseVersion: base.version, operations, ...more }, { ...origin, attempts: 2 });
const compile = (...parameters: Parameters<typeof judge>): CompiledDelta => {
  const { delta, diagnostics } = judge(...parameters);
  if (delta === undefined) throw new Error(JSON.stringify(diagnostics, null, 1));
  return delta;
};
const merge = (delta: CompiledDelta, base = plan) =>
  mergeDelta(base, delta, { cause: { kind: 'policy', policyId: 'qa' } });

const secondWriter = { ...writer, id: 'writer2', inputFacets: [...writer.inputFacets] };

describe('a delta', () => {
  it('puts new work in, and compiles it like any', () => {
    const delta = compile([
      { op: 'addNode', node: secondWriter },
      { op: 'addEdge', edge: { from: 'reviewer', to: 'writer2' } },
      { op: 'removeEdge', from: 'writer', to: 'shaper' },
      { op: 'addEdge', edge: { from: 'writer2', to: 'shaper' } },
    ]);
    expect(delta.addNodes.map(({ id, provenance }) => [id, provenance[0]])).toEqual([
      ['writer2', { facet: 'writerBrief', source: 'node', nodeId: 'strategist' }],
    ]);
    expect(delta.replaceNodes).toEqual([
      expect.objectContaining({
        id: 'shaper',
        provenance: [{ facet: 'copyVariants', source: 'node', nodeId: 'writer2' }],
      }),
    ]);
    expect(delta.addEdges).toContainEqual({ from: 'writer2', to: 'shaper', facets: ['copyVariants'] });
    expect(delta.removeEdges).toEqual([{ from: 'writer', to: 'shaper' }]);
    expect(delta).toMatchObject({
      baseVersion: 1,
      removeNodes: [],
      cancelNodes: [],
      metadata: { attempts: 2, depth: 5 },
    });
    expect(delta).not.toHaveProperty('output');
  });

  it('follows the draft order for work that no edge ties', () => {
    const delta = compile([
      { op: 'addNode', node: secondWriter },
      { op: 'addNode', node: { ...reviewer, id: 'reviewer2' } },
      { op: 'replaceNode', node: { ...shaper, label: 'again' } },
    ]);
    expect(delta.addNodes[1]!.provenance[0]).toEqual({ facet: 'copyVariants', source: 'node', nodeId: 'writer2' });
  });

  it('of nothing changes nothing', () => {
    const delta = compile([]);
    expect(delta).toMatchObject({
      addNodes: [],
      replaceNodes: [],
      removeNodes: [],
      addEdges: [],
      removeEdges: [],
      cancelNodes: [],
    });
    expect(diffPlans(plan, merge(delta))).toEqual({
      added: [],
      removed: [],
      changed: [],
      edgesAdded: [],
      edgesRemoved: [],
    });
  });

  it('is for its base version only', () => {
    expect(judge([], progress([]), { baseVersion: 2 }).diagnostics).toEqual([
      expect.objectContaining({
        code: 'STALE_BASE_VERSION',
        severity: 'error',
        pointer: '/baseVersion',
        suggestion: 'Make it anew on version 1',
      }),
    ]);
    expect(() => mergeDelta(plan, { ...compile([]), baseVersion: 7 }, { cause: { kind: 'operator' } })).toThrow(
      RangeError,
    );
  });

  it.each<[string, DeltaOperation[], object]>([
    [
      'replace finished work',
      [{ op: 'replaceNode', node: writer }],
      { code: 'COMPLETED_NODE_CHANGED', nodeId: 'writer', pointer: '/operations/0/node/id' },
    ],
    [
      'remove finished work',
      [{ op: 'removeNode', nodeId: 'strategist' }],
      { code: 'COMPLETED_NODE_CHANGED', nodeId: 'strategist' },
    ],
    ['cancel finished work', [{ op: 'cancelNode', nodeId: 'strategist' }], { code: 'COMPLETED_NODE_CHANGED' }],
    [
      'put anything before finished work',
      [{ op: 'addEdge', edge: { from: 'shaper', to: 'writer' } }],
      { code: 'COMPLETED_NODE_CHANGED', pointer: '/operations/0/edge/to' },
    ],
    [
      'remove what finished work waited for',
      [{ op: 'removeEdge', from: 'strategist', to: 'writer' }],
      { code: 'COMPLETED_NODE_CHANGED' },
    ],
    [
      'change running work',
      [{ op: 'replaceNode', node: reviewer }],
      { code: 'COMPLETED_NODE_CHANGED', suggestion: expect.stringContaining('cancelNode') },
    ],
    [
      'name a node that is not there',
      [{ op: 'removeNode', nodeId: 'shapr' }],
      { code: 'UNKNOWN_NODE', suggestion: 'Did you mean shaper?' },
    ],
    [
      'add a node that is there',
      [{ op: 'addNode', node: shaper }],
      { code: 'DUPLICATE_NODE', suggestion: 'Use replaceNode, or another id' },
    ],
    [
      'remove an edge that is not there',
      [{ op: 'removeEdge', from: 'shaper', to: 'reviewer' }],
      { code: 'DANGLING_EDGE' },
    ],
    [
      'add an edge into nowhere',
      [{ op: 'addEdge', edge: { from: 'writer', to: 'x' } }],
      { code: 'DANGLING_EDGE', nodeId: 'x' },
    ],
    [
      'close a circle',
      [
        { op: 'addNode', node: { ...secondWriter } },
        { op: 'addEdge', edge: { from: 'shaper', to: 'writer2' } },
        { op: 'addEdge', edge: { from: 'writer2', to: 'shaper' } },
      ],
      { code: 'CYCLE' },
    ],
    [
      'use what is not registered',
      [{ op: 'addNode', node: { ...secondWriter, capabilityId: 'none' } }],
      { code: 'CAPABILITY_NOT_REGISTERED', nodeId: 'writer2' },
    ],
    [
      'leave the contract open',
      [
        { op: 'removeNode', nodeId: 'shaper' },
        {
          op: 'addNode',
          node: node('x', 'transformation', ['copyVariants'], ['thing'], {
            mapping: { thing: { from: '/copyVariants' } },
          }),
        },
        { op: 'cancelNode', nodeId: 'reviewer' },
      ],
      { code: 'CONSTRAINT_UNSATISFIED' },
    ],
    ['be malformed', [{ op: 'explode' } as unknown as DeltaOperation], { code: 'DRAFT_MALFORMED' }],
  ])('may not %s', (_what, operations, found) => {
    const constraints = [{ constraintId: 'qa', level: 'hard' as const, expr: 'facets.qaFindings' }];
    const base = question();
    const asked = {
      ...base,
      envelope: { ...base.envelope, outputContract: { ...base.envelope.outputContract, constraints } },
    };
    const result = validateDelta(
      asked,
      plan,
      progress(['strategist', 'writer'], ['reviewer']),
      { baseVersion: 1, operations },
      origin,
    );
    expect(result.delta).toBeUndefined();
    expect(result.diagnostics).toContainEqual(expect.objectContaining({ severity: 'error', ...found }));
  });

  it('may call off running work by name, and put other work in its place', () => {
    const delta = compile([{ op: 'cancelNode', nodeId: 'reviewer' }], progress(['strategist', 'writer'], ['reviewer']));
    expect(delta).toMatchObject({ cancelNodes: ['reviewer'], removeNodes: ['reviewer'], replaceNodes: [] });
    const replaced = compile(
      [
        { op: 'cancelNode', nodeId: 'reviewer' },
        { op: 'replaceNode', node: { ...reviewer, label: 'again' } },
      ],
      progress(['strategist', 'writer'], ['reviewer']),
    );
    expect(replaced).toMatchObject({
      cancelNodes: ['reviewer'],
      removeNodes: [],
      replaceNodes: [{ id: 'reviewer', label: 'again' }],
    });
  });

  it('keeps finished work although its capability is gone by now', () => {
    const asked = question();
    const snapshot = {
      ...asked.snapshot,
      capabilities: new Map([...asked.snapshot.capabilities].filter(([id]) => id !== 'strategist.brief')),
    };
    const result = validateDelta(
      { ...asked, snapshot },
      plan,
      progress(['strategist']),
      { baseVersion: 1, operations: [] },
      origin,
    );
    expect(result.delta).toBeDefined();
    expect(
      validateDelta({ ...asked, snapshot }, plan, progress([]), { baseVersion: 1, operations: [] }, origin).diagnostics,
    ).toContainEqual(expect.objectContaining({ code: 'CAPABILITY_NOT_REGISTERED', nodeId: 'strategist' }));
  });

  it('leaves what it does not touch as it was compiled, selection and all, whatever the registry says by now', () => {
    const scored = validateDraft(question(), linkedinDraft(), {
      ...origin,
      selections: {
        shaper: { ...plan.nodes[1]!.selection!, score: 0.9 },
        writer: { ...plan.nodes[1]!.selection!, score: 0.8 },
      },
    }).plan!;
    const asked = question();
    const writers = [...asked.snapshot.capabilities.values()].map((each) => ({ ...each, instructions: 'New ones.' }));
    const snapshot = { ...asked.snapshot, capabilities: new Map(writers.map((each) => [each.capabilityId, each])) };
    const operations: DeltaOperation[] = [{ op: 'replaceNode', node: { ...reviewer, label: 'again' } }];
    const { delta } = validateDelta(
      { ...asked, snapshot },
      scored,
      progress(['strategist']),
      { baseVersion: 1, operations },
      origin,
    );
    expect(delta!.replaceNodes.map(({ id }) => id)).toEqual(['reviewer']);
    expect(mergeDelta(scored, delta!, { cause: { kind: 'operator' } }).nodes[1]).toBe(scored.nodes[1]);
  });

  it('takes failed work that it does not replace out of the plan', () => {
    const failed = progress(['strategist'], [], ['writer']);
    expect(judge([], failed).diagnostics).toContainEqual(
      expect.objectContaining({ code: 'INPUT_FACET_UNAVAILABLE', facet: 'copyVariants' }),
    );
    const cheap = node('cheap', 'execution', ['writerBrief'], ['copyVariants'], { capabilityId: 'writer.cheap' });
    const delta = compile([{ op: 'addNode', node: cheap }], failed);
    expect(delta).toMatchObject({ removeNodes: ['writer'], addNodes: [{ id: 'cheap' }] });
    expect(delta.replaceNodes.map(({ id, provenance }) => [id, provenance[0]!.nodeId])).toEqual([
      ['reviewer', 'cheap'],
      ['shaper', 'cheap'],
    ]);
    expect(
      compile(
        [{ op: 'replaceNode', node: { ...writer, capabilityId: 'writer.cheap', inputFacets: ['writerBrief'] } }],
        failed,
      ),
    ).toMatchObject({ removeNodes: [] });
  });
});

describe('merging', () => {
  it('makes the next version and leaves the one before as it was', () => {
    const before = structuredClone(plan);
    const merged = merge(compile([{ op: 'addNode', node: secondWriter }]));
    expect(plan).toEqual(before);
    expect(merged).toMatchObject({
      version: 2,
      versionTag: 'v2',
      parentVersion: 1,
      cause: { kind: 'policy', policyId: 'qa' },
      runId: 'run1',
    });
  });

  /** Any operations on any progress; most are refused. */
  const ids = fc.constantFrom('strategist', 'writer', 'reviewer', 'shaper', 'extra', 'writer2');
  const spare = fc.constantFrom(
    secondWriter,
    node('extra', 'execution', ['writerBrief'], ['copyVariants'], { capabilityId: 'writer.cheap' }),
    { ...shaper, label: 'other' },
    { ...reviewer, label: 'other' },
    { ...writer, capabilityId: 'writer.cheap', inputFacets: ['writerBrief'] },
  );
  const operation: fc.Arbitrary<DeltaOperation> = fc.oneof(
    spare.map((node) => ({ op: 'addNode' as const, node })),
    spare.map((node) => ({ op: 'replaceNode' as const, node })),
    ids.map((nodeId) => ({ op: 'removeNode' as const, nodeId })),
    ids.map((nodeId) => ({ op: 'cancelNode' as const, nodeId })),
    fc.tuple(ids, ids).map(([from, to]) => ({ op: 'addEdge' as const, edge: { from, to } })),
    fc.tuple(ids, ids).map(([from, to]) => ({ op: 'removeEdge' as const, from, to })),
  );

  it('has exactly the effect that the delta says; finished nodes and all others untouched are the same objects', () => {
    let accepted = 0;
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 4 }), fc.nat(3), (operations, finished) => {
        const completed = ['strategist', 'writer', 'reviewer'].slice(0, finished);
        const done = progress(completed);
        const { delta } = judge(operations, done);
        if (delta === undefined) return;
        accepted++;
        const merged = merge(delta);
        const diff = diffPlans(plan, merged);
        expect(diff.added).toEqual(delta.addNodes.map(({ id }) => id));
        expect(diff.removed).toEqual(delta.removeNodes);
        expect(new Set(diff.changed)).toEqual(new Set(delta.replaceNodes.map(({ id }) => id)));
        expect(diff.edgesAdded).toEqual(delta.addEdges.map(({ from, to }) => ({ from, to })));
        expect(diff.edgesRemoved).toEqual(delta.removeEdges);
        const before = new Map(plan.nodes.map((each) => [each.id, each]));
        const after = new Map(merged.nodes.map((each) => [each.id, each]));
        for (const id of completed) expect(after.get(id)).toBe(before.get(id));
        for (const [id, each] of after)
          if (before.has(id) && !diff.changed.includes(id)) expect(each).toBe(before.get(id));
        // What was merged is what a fresh judgement of the result finds too: nothing is left to change.
        const again = judge([], done, {}, merged);
        expect(again.delta).toMatchObject({
          addNodes: [],
          replaceNodes: [],
          removeNodes: [],
          addEdges: [],
          removeEdges: [],
        });
      }),
      { numRuns: 400 },
    );
    expect(accepted).toBeGreaterThan(20);
  });
});
