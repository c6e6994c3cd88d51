import fc from 'fast-check';
import type { DraftNode } from '@flex/contracts';
import { traceFacets } from './facet-flow.js';
import type { Flow, FlowNode } from './flow.js';

const parents: Record<string, string> = { child: 'parent', grandchild: 'child' };
const ancestors = (facet: string): string[] => [
  facet,
  ...(parents[facet] === undefined ? [] : ancestors(parents[facet]!)),
];

/** `name: reads -> writes`, an optional read with `?`; more after a semicolon. */
const node = (text: string, more: Partial<DraftNode> = {}): FlowNode => {
  const [, id, reads, writes] = /^(\w+):\s*(.*?)\s*->\s*(.*)$/.exec(text)!;
  const names = (list: string) => list.split(' ').filter(Boolean);
  const all = names(reads!);
  return {
    draft: {
      id: id!,
      kind: 'execution',
      label: id!,
      inputFacets: all.map((name) => name.replace('?', '')),
      outputFacets: names(writes!),
      ...more,
    },
    required: all.filter((name) => !name.endsWith('?')),
    optional: all.filter((name) => name.endsWith('?')).map((name) => name.slice(0, -1)),
    literals: new Set(Object.keys(more.inputs ?? {})),
  };
};

function trace(nodes: FlowNode[], edges: string[] = [], available: string[] = [], goals: string[] = []) {
  const ids = nodes.map((each) => each.draft.id);
  const flow = traceFacets({
    nodes,
    edges: edges.map((edge) => {
      const [from, to, condition] = edge.split(/\s*(?:->|\|)\s*/);
      return { from: ids.indexOf(from!), to: ids.indexOf(to!), ...(condition === undefined ? {} : { condition }) };
    }),
    available: new Set(available),
    ancestors,
    goals,
  });
  if ('cycle' in flow) return { cycle: flow.cycle.map((number) => ids[number]!) };
  const sourceText = (sources: Flow['goalSources']) =>
    sources.map(
      ({ facet, source, nodeId, as, over }) =>
        `${facet}<${nodeId ?? source}${as === undefined ? '' : ` as ${as}`}${over === undefined ? '' : ` over ${over.join('+')}`}`,
    );
  return {
    edges: flow.edges.map(
      ({ from, to, facets, condition }) =>
        `${ids[from]}->${ids[to]}${facets.length > 0 ? `(${facets.join(' ')})` : ''}${condition === undefined ? '' : '?'}`,
    ),
    sources: Object.fromEntries(flow.sources.map((sources, number) => [ids[number]!, sourceText(sources)])),
    goals: sourceText(flow.goalSources),
    unavailable: Object.fromEntries(
      flow.unavailable.map((facets, number) => [ids[number]!, facets]).filter(([, facets]) => facets!.length > 0),
    ),
    depth: Math.max(...flow.order.map((number) => flow.depth[number]!)),
  };
}

describe('a draft without edges', () => {
  it('gets them from what its nodes write and read', () => {
    expect(
      trace(
        [node('a: brief -> plan'), node('b: plan brief -> copy'), node('c: copy plan -> qa')],
        [],
        ['brief'],
        ['qa'],
      ),
    ).toEqual({
      edges: ['a->b(plan)', 'b->c(copy)', 'a->c(plan)'],
      sources: { a: ['brief<envelope'], b: ['plan<a', 'brief<envelope'], c: ['copy<b', 'plan<a'] },
      goals: ['qa<c'],
      unavailable: {},
      depth: 3,
    });
  });

  it('may list a producer behind its consumer', () => {
    expect(trace([node('b: plan -> copy'), node('a: -> plan')])).toMatchObject({
      edges: ['a->b(plan)'],
      sources: { b: ['plan<a'] },
    });
  });

  it('chains the nodes that rewrite a facet in its order', () => {
    expect(
      trace(
        [node('w: -> copy'), node('e: copy -> copy'), node('f: copy -> copy'), node('r: copy -> qa')],
        [],
        [],
        ['copy'],
      ),
    ).toMatchObject({
      edges: ['w->e(copy)', 'e->f(copy)', 'f->r(copy)'],
      goals: ['copy<f'],
    });
  });

  it('prefers what a node wrote to what the envelope gave', () => {
    expect(trace([node('a: -> tone'), node('b: tone -> x')], [], ['tone'])).toMatchObject({
      sources: { b: ['tone<a'] },
    });
    expect(trace([node('b: tone -> x'), node('a: -> tone')], [], ['tone'])).toMatchObject({
      sources: { b: ['tone<envelope'] },
      edges: [],
    });
  });

  it('lets a specialisation stand for what it specialises', () => {
    expect(trace([node('a: -> grandchild'), node('b: parent -> x')])).toMatchObject({
      sources: { b: ['parent<a as grandchild'] },
      edges: ['a->b(parent)'],
    });
    expect(trace([node('b: parent -> x')], [], ['child'])).toMatchObject({
      sources: { b: ['parent<envelope as child'] },
    });
    expect(trace([node('b: child -> x')], [], ['parent'])).toMatchObject({ unavailable: { b: ['child'] } });
  });

  it('says what nothing provides, and lets go of what is optional', () => {
    expect(trace([node('a: x y? -> z')])).toMatchObject({ unavailable: { a: ['x'] }, sources: { a: [] } });
  });

  it('takes a literal input before all else', () => {
    expect(trace([node('a: -> x'), node('b: x -> y', { inputs: { x: 1 } })], [], ['x'])).toMatchObject({
      sources: { b: ['x<branch'] },
      edges: [],
    });
  });

  it('does not let a node read from itself', () => {
    expect(trace([node('a: x -> x')])).toMatchObject({ unavailable: { a: ['x'] } });
  });
});

describe('branches', () => {
  const branch = (text: string, branchId: string) => node(text, { branchId });
  it('keep to themselves, share what comes before, and join behind', () => {
    const nodes = [
      node('s: -> brief'),
      branch('w1: brief -> copy', 'one'),
      branch('w2: brief -> copy', 'two'),
      branch('r1: copy -> qa', 'one'),
      branch('r2: copy -> qa', 'two'),
      node('join: copy qa -> output'),
    ];
    expect(trace(nodes, [], [], ['copy', 'output'])).toMatchObject({
      sources: { r1: ['copy<w1'], r2: ['copy<w2'], join: ['copy<w1', 'copy<w2', 'qa<r1', 'qa<r2'] },
      goals: ['copy<w1', 'copy<w2', 'output<join'],
      depth: 4,
    });
  });

  it('do the same along edges', () => {
    const nodes = [
      node('s: -> copy'),
      branch('w1: -> copy', 'one'),
      branch('w2: -> copy', 'two'),
      branch('r2: copy -> qa', 'two'),
      node('j: copy -> out'),
    ];
    const edges = ['s->w1', 's->w2', 'w1->r2', 'w2->r2', 'w1->j', 'r2->j'];
    expect(trace(nodes, edges)).toMatchObject({ sources: { r2: ['copy<w2'], j: ['copy<w1', 'copy<w2'] } });
  });

  it('end where a node of no branch has joined them', () => {
    const nodes = [
      branch('w1: -> copy', 'one'),
      branch('w2: -> copy', 'two'),
      node('j: copy -> copy'),
      node('r: copy -> qa'),
    ];
    expect(trace(nodes)).toMatchObject({ sources: { j: ['copy<w1', 'copy<w2'], r: ['copy<j'] } });
  });
});

describe('edges of the draft', () => {
  it('stay, and decide who is closest', () => {
    const nodes = [node('a: -> x'), node('b: -> x'), node('c: x -> y')];
    expect(trace(nodes, ['a->c'])).toMatchObject({ edges: ['a->c(x)'], sources: { c: ['x<a'] } });
    expect(trace(nodes, ['a->c', 'b->c'])).toMatchObject({ sources: { c: ['x<a', 'x<b'] } });
    expect(trace(nodes, ['a->b', 'b->c', 'a->c'])).toMatchObject({
      edges: ['a->b', 'b->c(x)', 'a->c'],
      sources: { c: ['x<b'] },
    });
  });

  it('let a facet come from far above', () => {
    const chain = [node('a: -> x'), node('b: -> p'), node('c: -> q'), node('d: x -> y')];
    expect(trace(chain, ['a->b', 'b->c', 'c->d'])).toMatchObject({
      sources: { d: ['x<a'] },
      edges: ['a->b', 'b->c', 'c->d', 'a->d(x)'],
    });
  });

  it('leave a node without them to the envelope', () => {
    expect(trace([node('a: x -> x'), node('b: x -> y'), node('c: y -> z')], ['b->c'], ['x'])).toMatchObject({
      sources: { a: ['x<envelope'], b: ['x<envelope'] },
    });
  });

  it('are completed where nothing else provides a facet', () => {
    expect(trace([node('a: -> x'), node('b: x -> y'), node('c: y -> z')], ['b->c'])).toMatchObject({
      edges: ['b->c(y)', 'a->b(x)'],
    });
  });

  it('that close a circle are told as such', () => {
    expect(trace([node('a: -> x'), node('b: -> y'), node('c: -> z')], ['a->b', 'b->c', 'c->b'])).toEqual({
      cycle: ['b', 'c'],
    });
    expect(trace([node('a: y -> x'), node('b: x -> y')])).toEqual({ cycle: ['a', 'b'] });
  });
});

describe('nodes that may not run', () => {
  it('replace what came before them only when they did run', () => {
    const nodes = [node('w: -> copy'), node('r: copy -> qa'), node('fix: copy qa -> copy'), node('end: copy -> out')];
    expect(trace(nodes, ['w->r', 'r->fix|facets.qa.bad', 'r->end', 'fix->end'])).toMatchObject({
      sources: { end: ['copy<w', 'copy<fix over w'] },
    });
  });

  it('behind a routing node are alternatives', () => {
    const nodes = [node('r: -> '), node('a: -> x'), node('b: -> x'), node('end: x -> y')];
    (nodes[0]!.draft as DraftNode).kind = 'routing';
    (nodes[0]!.draft as DraftNode).routes = [{ to: 'a', condition: true }, { to: 'b' }];
    expect(trace(nodes)).toMatchObject({
      edges: ['r->a', 'r->b', 'a->end(x)', 'b->end(x)'],
      sources: { end: ['x<a', 'x<b'] },
    });
  });

  it('leave the envelope as the last resort', () => {
    const nodes = [node('r: -> qa'), node('fix: -> copy'), node('end: copy -> out')];
    expect(trace(nodes, ['r->fix|facets.qa', 'r->end', 'fix->end'], ['copy'])).toMatchObject({
      sources: { end: ['copy<envelope', 'copy<fix'] },
    });
  });

  it('a fallback for work that others do runs only when that is missing', () => {
    const nodes = [node('w: -> copy'), node('f: -> copy', { kind: 'fallback' }), node('end: copy -> out')];
    expect(trace(nodes)).toMatchObject({
      edges: ['w->end(copy)', 'f->end(copy)', 'w->f?'],
      sources: { end: ['copy<w', 'copy<f over w'] },
    });
  });

  it('a fallback in place of a missing capability is a producer like any other', () => {
    expect(trace([node('f: -> copy', { kind: 'fallback' }), node('end: copy -> out')])).toMatchObject({
      edges: ['f->end(copy)'],
      sources: { end: ['copy<f'] },
    });
  });
});

describe('properties', () => {
  const drafts = fc.array(
    fc.record({
      reads: fc.subarray(['a', 'b', 'c', 'd']),
      writes: fc.subarray(['a', 'b', 'c', 'd']),
      branch: fc.option(fc.constantFrom('p', 'q'), { nil: undefined }),
    }),
    { minLength: 1, maxLength: 12 },
  );
  const flowNodes = (drafted: { reads: string[]; writes: string[]; branch?: string }[]): FlowNode[] =>
    drafted.map(({ reads, writes, branch }, number) =>
      node(`n${number}: ${reads.join(' ')} -> ${writes.join(' ')}`, branch === undefined ? {} : { branchId: branch }),
    );
  const forward = (size: number) =>
    fc
      .array(fc.tuple(fc.nat(size - 1), fc.nat(size - 1)), { maxLength: 20 })
      .map((pairs) => pairs.filter(([from, to]) => from < to).map(([from, to]) => ({ from, to })));

  it('every source is written by a node before the reader, and every reading has a source or is reported', () => {
    fc.assert(
      fc.property(
        drafts.chain((drafted) => fc.tuple(fc.constant(drafted), forward(drafted.length), fc.subarray(['a', 'b']))),
        ([drafted, edges, available]) => {
          const nodes = flowNodes(drafted);
          const flow = traceFacets({
            nodes,
            edges,
            available: new Set(available),
            ancestors: (facet) => [facet],
            goals: ['d'],
          });
          if ('cycle' in flow) return;
          const position = new Map([...flow.order].map((number, at) => [number, at]));
          for (const { from, to } of flow.edges) expect(position.get(from)!).toBeLessThan(position.get(to)!);
          for (const { from, to } of edges)
            expect(flow.edges.some((edge) => edge.from === from && edge.to === to)).toBe(true);
          nodes.forEach((reader, number) => {
            for (const facet of reader.required) {
              const sources = flow.sources[number]!.filter((source) => source.facet === facet);
              expect(sources.length > 0).not.toBe(flow.unavailable[number]!.includes(facet));
              for (const source of sources) {
                if (source.source === 'envelope') expect(available).toContain(facet);
                else {
                  const producer = nodes.findIndex((each) => each.draft.id === source.nodeId);
                  expect(nodes[producer]!.draft.outputFacets).toContain(facet);
                  expect(position.get(producer)!).toBeLessThan(position.get(number)!);
                }
              }
            }
          });
        },
      ),
      { numRuns: 500 },
    );
  });

  it('drafts that list producers first never have cycles', () => {
    fc.assert(
      fc.property(drafts, (drafted) => {
        const seen = new Set<string>();
        const ordered = drafted.map((each) => {
          const reads = each.reads.filter((facet) => seen.has(facet));
          each.writes.forEach((facet) => seen.add(facet));
          return { ...each, reads };
        });
        expect(trace(flowNodes(ordered.map((each) => ({ ...each, branch: undefined }))))).not.toHaveProperty('cycle');
      }),
    );
  });
});
