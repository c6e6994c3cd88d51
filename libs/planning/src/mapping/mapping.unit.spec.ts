import fc from 'fast-check';
import { issuesOf, MappingSchema, type FacetSource, type Json, type Mapping } from '@flex/contracts';
import { evaluateMapping, mappingReads } from './evaluate-mapping.js';
import { resolvePointer } from './json-pointer.js';
import { resolveFacets } from './resolve-facets.js';

const copyVariants: Json[] = [
  { id: '1', headline: 'A', body: 'a' },
  { id: '2', headline: 'B', body: 'b', callToAction: 'Go' },
];
const context: Record<string, Json> = {
  copyVariants,
  brief: { title: 'T', 'a/b': { '~': 1 }, nothing: null },
};

describe('a mapping', () => {
  it.each<[string, Mapping, Json | undefined]>([
    ['reads by pointer', { from: '/copyVariants/1/headline' }, 'B'],
    ['reads escaped names', { from: '/brief/a~1b/~0' }, 1],
    ['reads the whole context', { from: '' }, context],
    ['takes the default for what is absent', { from: '/brief/none', default: 'D' }, 'D'],
    ['keeps null, which is a value', { from: '/brief/nothing', default: 'D' }, null],
    ['is undefined without default', { from: '/brief/none' }, undefined],
    ['reads no inherited members', { from: '/brief/constructor' }, undefined],
    ['reads no list by anything but an index', { from: '/copyVariants/length' }, undefined],
    ['reads no index with leading zero', { from: '/copyVariants/01' }, undefined],
    [
      'reshapes each item',
      {
        each: { from: '/copyVariants' },
        as: { object: { headline: { from: '/headline' }, cta: { from: '/callToAction', default: 'Read' } } },
      },
      [
        { headline: 'A', cta: 'Read' },
        { headline: 'B', cta: 'Go' },
      ],
    ],
    [
      'leaves out items that come to nothing',
      { each: { from: '/copyVariants' }, as: { from: '/callToAction' } },
      ['Go'],
    ],
    ['is undefined when each gives no list', { each: { from: '/brief' }, as: { from: '' } }, undefined],
    ['leaves absent members out', { object: { a: { from: '/none' }, b: { value: 1 } } }, { b: 1 }],
    ['leaves absent items out', { array: [{ from: '/none' }, { value: 1 }] }, [1]],
    ['joins lists', { concat: [{ from: '/copyVariants' }, { value: [1] }, { value: 2 }] }, [...copyVariants, 1, 2]],
    ['joins texts', { concat: [{ from: '/brief/title' }, { value: '-' }, { value: 1 }] }, 'T-1'],
    ['joins nothing to an empty list', { concat: [] }, []],
    ['is undefined when nothing that it joins is there', { concat: [{ from: '/none' }] }, undefined],
    ['takes the first that is defined', { first: [{ from: '/none' }, { from: '/brief/title' }, { value: 1 }] }, 'T'],
    [
      'takes a value as it is, also one that looks like a mapping',
      { value: { from: '/brief/title' } },
      { from: '/brief/title' },
    ],
  ])('%s', (_what, mapping, result) => {
    expect(issuesOf(MappingSchema, mapping)).toEqual([]);
    expect(evaluateMapping(mapping, context)).toEqual(result);
  });

  it('makes a member of the name __proto__ like any other', () => {
    const made = evaluateMapping(JSON.parse('{"object": {"__proto__": {"value": 1}}}') as Mapping, {});
    expect(Object.keys(made as object)).toEqual(['__proto__']);
    expect(Object.getPrototypeOf(made)).toBe(Object.prototype);
  });

  it('names what it reads of the context', () => {
    const mapping: Mapping = {
      object: {
        a: { each: { from: '/copyVariants' }, as: { from: '/headline' } },
        b: { first: [{ from: '/brief/x' }, { from: '' }] },
      },
    };
    expect(mappingReads(mapping)).toEqual(['copyVariants', 'brief', '']);
  });
});

const mappings = fc.letrec<{ mapping: Mapping }>((tie) => ({
  mapping: fc.oneof(
    { maxDepth: 3 },
    fc.record({
      from: fc
        .array(fc.constantFrom('a', 'b', '0', '__proto__', 'length'))
        .map((tokens) => tokens.map((token) => `/${token}`).join('')),
    }),
    fc.record({ value: fc.jsonValue() as fc.Arbitrary<Json> }),
    fc.record({ each: tie('mapping'), as: tie('mapping') }),
    fc.record({ object: fc.dictionary(fc.string(), tie('mapping'), { maxKeys: 3 }) }),
    fc.record({ array: fc.array(tie('mapping'), { maxLength: 3 }) }),
    fc.record({ concat: fc.array(tie('mapping'), { maxLength: 3 }) }),
    fc.record({ first: fc.array(tie('mapping'), { maxLength: 3 }) }),
  ) as fc.Arbitrary<Mapping>,
}));

describe('properties', () => {
  it('any mapping over any data gives JSON or nothing, and changes nothing', () => {
    fc.assert(
      fc.property(mappings.mapping, fc.dictionary(fc.constantFrom('a', 'b'), fc.jsonValue()), (mapping, data) => {
        const before = JSON.stringify(data);
        const result = evaluateMapping(mapping, data as Record<string, Json>);
        if (result !== undefined) expect(() => JSON.stringify(result)).not.toThrow();
        expect(JSON.stringify(data)).toBe(before);
      }),
    );
  });

  it('a mapping that reads nothing gives the same for all data', () => {
    fc.assert(
      fc.property(mappings.mapping, fc.jsonValue(), (mapping, data) => {
        fc.pre(mappingReads(mapping).length === 0);
        expect(evaluateMapping(mapping, { a: data as Json })).toEqual(evaluateMapping(mapping, {}));
      }),
    );
  });

  it('a pointer finds what was put there', () => {
    fc.assert(
      fc.property(fc.array(fc.string()), fc.jsonValue(), (tokens, value) => {
        fc.pre(value !== undefined);
        const data = tokens.reduceRight<Json>((inner, token) => Object.fromEntries([[token, inner]]), value as Json);
        const pointer = tokens.map((token) => `/${token.replaceAll('~', '~0').replaceAll('/', '~1')}`).join('');
        expect(resolvePointer(data, pointer)).toEqual(value);
      }),
    );
  });
});

describe('the facets that a node reads', () => {
  const written: Record<string, Record<string, Json>> = {
    w1: { copyVariants: [1] },
    w2: { copyVariants: [2] },
    fallback: { copyVariants: [9] },
    text: { note: 'x' },
    text2: { note: 'y' },
    child: { campaignBrief: { c: 1 } },
  };
  const read = (sources: FacetSource[], done: string[], given: Record<string, Json> = {}) =>
    resolveFacets(sources, {
      given: (facet) => given[facet],
      written: (nodeId, facet) => (done.includes(nodeId) ? written[nodeId]?.[facet] : undefined),
      literal: (facet) => (facet === 'own' ? 'mine' : undefined),
    });
  const from = (nodeId: string, facet = 'copyVariants', more: Partial<FacetSource> = {}): FacetSource => ({
    facet,
    source: 'node',
    nodeId,
    ...more,
  });

  it('come from its source', () => {
    expect(read([from('w1')], ['w1'])).toEqual({ values: { copyVariants: [1] }, provenance: { copyVariants: 'w1' } });
  });
  it('are joined where branches meet: lists end to end, of other values the last', () => {
    expect(read([from('w1'), from('w2')], ['w1', 'w2'])).toEqual({
      values: { copyVariants: [1, 2] },
      provenance: { copyVariants: 'w1,w2' },
    });
    expect(read([from('text', 'note'), from('text2', 'note')], ['text', 'text2']).values).toEqual({ note: 'y' });
  });
  it('are those of the alternative that ran', () => {
    expect(read([from('w1'), from('w2')], ['w2']).values).toEqual({ copyVariants: [2] });
  });
  it('are replaced by a later node that may not run, when it ran', () => {
    const sources = [from('w1'), from('fallback', 'copyVariants', { over: ['w1'] })];
    expect(read(sources, ['w1', 'fallback']).values).toEqual({ copyVariants: [9] });
    expect(read(sources, ['w1']).values).toEqual({ copyVariants: [1] });
  });
  it('come from the envelope until a node wrote them', () => {
    const sources: FacetSource[] = [{ facet: 'copyVariants', source: 'envelope' }, from('w1')];
    expect(read(sources, [], { copyVariants: [0] })).toEqual({
      values: { copyVariants: [0] },
      provenance: { copyVariants: 'envelope' },
    });
    expect(read(sources, ['w1'], { copyVariants: [0] }).values).toEqual({ copyVariants: [1] });
  });
  it('go by the name that the reader knows, whatever specialisation was written', () => {
    expect(read([from('child', 'writerBrief', { as: 'campaignBrief' })], ['child']).values).toEqual({
      writerBrief: { c: 1 },
    });
  });
  it('can be its own literals, or be absent', () => {
    expect(read([{ facet: 'own', source: 'branch' }, from('w1')], [])).toEqual({
      values: { own: 'mine' },
      provenance: { own: 'branch' },
    });
  });
});
