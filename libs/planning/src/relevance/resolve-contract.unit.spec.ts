import type { Facet, JsonSchema } from '@flex/contracts';
import { evaluateMapping } from '../mapping/evaluate-mapping.js';
import { nameLikeness } from './name-likeness.js';
import { resolveSchema, transformationFor } from './resolve-contract.js';

const variants: JsonSchema = {
  type: 'array',
  items: {
    type: 'object',
    properties: {
      id: { type: 'string' },
      headline: { type: 'string' },
      body: { type: 'string' },
      callToAction: { type: 'string' },
    },
    required: ['headline', 'body'],
  },
};
const facet = (name: string, schema: JsonSchema, more: Partial<Facet> = {}): Facet => ({
  name,
  schema,
  direction: 'bidirectional',
  ...more,
});
const catalogue = [
  facet('copyVariants', variants),
  facet(
    'assetBundle',
    { type: 'array', items: { type: 'object', properties: { url: { type: 'string' } } } },
    { propertyKey: 'assets' },
  ),
  facet('writerBrief', {
    type: 'object',
    properties: { angle: { type: 'string' }, keyPoints: { type: 'array', items: { type: 'string' } } },
  }),
  facet('toneOfVoice', { type: 'string', enum: ['warm', 'dry'] }),
  facet('recommendationSet', {
    type: 'array',
    items: { type: 'object', properties: { recommendation: { type: 'string' } } },
  }),
  facet('score', { type: 'integer' }),
];
const supply = (reachable: readonly string[] = catalogue.map((one) => one.name)) => ({
  snapshot: { revision: 1, facets: new Map(catalogue.map((one) => [one.name, one])), capabilities: new Map() },
  supply: (name: string): 0 | 1 | 2 => (reachable.includes(name) ? 2 : 1),
  known: catalogue.map((one) => one.name),
});
const object = (properties: Record<string, JsonSchema>, required: string[] = Object.keys(properties)): JsonSchema => ({
  type: 'object',
  properties,
  required,
  additionalProperties: false,
});
const list = (properties: Record<string, JsonSchema>): JsonSchema => ({ type: 'array', items: object(properties) });
const text: JsonSchema = { type: 'string' };
const outcome = (schema: JsonSchema, values: Record<string, unknown>) => {
  const contract = resolveSchema(schema, supply());
  const transformation = transformationFor(contract, (name) => name in values);
  return {
    goals: contract.goals,
    codes: contract.diagnostics.map((found) => found.code),
    output: transformation && evaluateMapping(transformation.mapping, values as never),
  };
};
const copyVariants = [{ id: '1', headline: 'h', body: 'b', callToAction: 'c' }];

describe('An output contract as schema', () => {
  it('finds a facet by name and takes only what is asked for', () => {
    expect(
      outcome(object({ variants: list({ headline: text, body: text, callToAction: text }) }), { copyVariants }),
    ).toEqual({
      goals: ['copyVariants'],
      codes: [],
      output: { variants: [{ headline: 'h', body: 'b', callToAction: 'c' }] },
    });
  });

  it('finds a facet by its form alone, and members by likeness', () => {
    expect(outcome(object({ posts: list({ headline: text, body: text, cta: text }) }), { copyVariants })).toEqual({
      goals: ['copyVariants'],
      codes: [],
      output: { posts: [{ headline: 'h', body: 'b', cta: 'c' }] },
    });
  });

  it('needs no transformation where facets are asked for as they are', () => {
    expect(
      outcome({ type: 'object', properties: { copyVariants: variants }, required: ['copyVariants'] }, { copyVariants }),
    ).toMatchObject({
      goals: ['copyVariants'],
      output: undefined,
    });
  });

  it('knows property keys, members of facets, and first items', () => {
    expect(outcome(object({ assets: list({ url: text }) }), { assetBundle: [{ url: 'u' }] }).goals).toEqual([
      'assetBundle',
    ]);
    expect(
      outcome(object({ keyPoints: { type: 'array', items: text } }), { writerBrief: { keyPoints: ['k'] } }),
    ).toMatchObject({
      goals: ['writerBrief'],
      output: { keyPoints: ['k'] },
    });
    expect(outcome(object({ headline: text, body: text }), { copyVariants })).toMatchObject({
      goals: ['copyVariants'],
      output: { headline: 'h', body: 'b' },
    });
  });

  it('resolves a list at the root', () => {
    expect(outcome(list({ headline: text, body: text }), { copyVariants })).toEqual({
      goals: ['copyVariants'],
      codes: [],
      output: [{ headline: 'h', body: 'b' }],
    });
  });

  it('leaves out optional members that the plan does not have', () => {
    const schema = object(
      { variants: list({ headline: text, body: text }), recommendations: list({ recommendation: text }) },
      ['variants'],
    );
    expect(outcome(schema, { copyVariants })).toMatchObject({
      goals: ['copyVariants'],
      output: { variants: [{ headline: 'h', body: 'b' }] },
    });
    expect(outcome(schema, { copyVariants, recommendationSet: [{ recommendation: 'r' }] }).output).toMatchObject({
      recommendations: [{ recommendation: 'r' }],
    });
  });

  it('says which required member nothing fills, and what there is', () => {
    const contract = resolveSchema(object({ invoice: object({ iban: text, total: { type: 'number' } }) }), supply());
    expect(contract.diagnostics).toMatchObject([
      {
        code: 'OUTPUT_CONTRACT_UNSATISFIABLE',
        pointer: '/outputContract/schema/properties/invoice',
        suggestion: expect.stringContaining('copyVariants'),
      },
    ]);
  });

  it('does not take a facet of another type for its name', () => {
    expect(outcome(object({ score: { type: 'string' } }), {}).codes).toEqual(['OUTPUT_CONTRACT_UNSATISFIABLE']);
    expect(outcome(object({ toneOfVoice: { enum: ['loud'], type: 'string' } }), {}).codes).toEqual([
      'OUTPUT_CONTRACT_UNSATISFIABLE',
    ]);
  });

  it('likes names by their words', () => {
    expect(nameLikeness('callToAction', 'call_to_action')).toBeGreaterThan(0.9);
    expect(nameLikeness('cta', 'callToAction')).toBe(0.8);
    expect(nameLikeness('variants', 'copyVariants')).toBeGreaterThan(0.5);
    expect(nameLikeness('posts', 'copyVariants')).toBe(0);
  });
});
