import type { Json, JsonSchema } from '@flex/contracts';
import { evaluateMapping } from '../mapping/evaluate-mapping.js';
import { validatorFor } from '../facets/validators.js';
import { checkConstraints, composeOutput } from './compose-output.js';
import { reshape } from './schema-shape.js';

describe('the answer', () => {
  it('is made of facets', () => {
    expect(composeOutput({ mode: 'facets', schema: true, mapping: { object: { assets: { from: '/assetBundle' } } } }, { assetBundle: [1], other: 2 })).toEqual({ assets: [1] });
    expect(composeOutput({ mode: 'json_schema', schema: true, mapping: { from: '/output' } }, {})).toBeUndefined();
  });

  it('is held against its constraints', () => {
    const constraints = [
      { constraintId: 'two', level: 'hard' as const, expr: 'length(output.variants) == 2' },
      { constraintId: 'members', level: 'soft' as const, expr: { '==': [{ length: { var: 'variants' } }, 2] } },
      { constraintId: 'quality', level: 'soft' as const, expr: 'facets.qaFindings.score > 0.9' },
      { constraintId: 'broken', level: 'informational' as const, expr: 'length(' },
    ];
    expect(checkConstraints(constraints, { variants: [1, 2] }, { qaFindings: { score: 0.5 } })).toEqual({
      results: [
        { constraintId: 'two', level: 'hard', holds: true },
        { constraintId: 'members', level: 'soft', holds: true },
        { constraintId: 'quality', level: 'soft', holds: false },
        { constraintId: 'broken', level: 'informational', holds: false },
      ],
      satisfaction: 0.5,
    });
    expect(checkConstraints(undefined, null, {})).toEqual({ results: [], satisfaction: 1 });
  });

  it('cannot pass itself off as facets', () => {
    const constraints = [{ constraintId: 'c', level: 'hard' as const, expr: 'facets.real == 1' }];
    expect(checkConstraints(constraints, { facets: { real: 1 } }, { real: 2 }).results[0]!.holds).toBe(false);
  });
});

describe('reshaping', () => {
  const item = { type: 'object', properties: { id: { type: 'string' }, headline: { type: 'string' }, n: { type: 'integer' } }, required: ['headline'] };
  const list: JsonSchema = { type: 'array', items: item };
  const value: Json = [{ id: '1', headline: 'A', n: 1 }];
  const way = (target: JsonSchema, source: JsonSchema = list) => reshape('/f', source, source, target, target);

  it.each<[string, JsonSchema, boolean]>([
    ['nothing is asked', {}, true],
    ['the shapes are equal', list, true],
    ['less is asked, and more allowed', { type: 'array', items: { type: 'object', properties: { headline: { type: 'string' } } } }, true],
    ['a number may be whole', { type: 'array', items: { type: 'object', properties: { n: { type: 'number' } } } }, true],
    ['no more is allowed', { type: 'array', items: { type: 'object', additionalProperties: false, properties: { headline: { type: 'string' } } } }, false],
    ['it refers to a definition', { $ref: '#/$defs/l', $defs: { l: { type: 'array', items: { $ref: '#/$defs/i' } }, i: { type: 'object', additionalProperties: false, properties: { headline: {} } } } }, false],
  ])('is possible when %s', (_what, target, same) => {
    const found = way(target);
    expect(found?.same).toBe(same);
    expect(validatorFor(target)(evaluateMapping(found!.mapping, { f: value })!)).toEqual([]);
  });

  it.each<[string, JsonSchema]>([
    ['the types differ', { type: 'object' }],
    ['a required name is not there', { type: 'array', items: { type: 'object', required: ['price'], properties: { price: {} } } }],
    ['a member is of another type', { type: 'array', items: { type: 'object', properties: { headline: { type: 'integer' } } } }],
  ])('is impossible when %s', (_what, target) => {
    expect(way(target)).toBeUndefined();
  });
});
