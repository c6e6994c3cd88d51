import type { Facet, JsonSchema } from '@flex/contracts';
import * as fc from 'fast-check';
import { compileFacets, validateFacets } from './compile-facets.js';
import type { FacetCatalog } from './extends-chain.js';
import { validatorFor } from './validators.js';

const facet = (name: string, schema: JsonSchema, more: Partial<Facet> = {}): Facet => ({
  name,
  title: `The ${name}`,
  schema,
  direction: 'bidirectional',
  ...more,
});
const catalogOf = (...facets: Facet[]): FacetCatalog => new Map(facets.map((one) => [one.name, one]));
const codes = (catalog: FacetCatalog, ...names: string[]) =>
  compileFacets(catalog, names.map((name) => ({ facet: name })), 'bidirectional').errors.map((error) => error.code); // prettier-ignore

const scalarSchemas = fc.oneof(
  fc.record({ type: fc.constant('string'), minLength: fc.nat(3), maxLength: fc.integer({ min: 1, max: 5 }) }),
  fc.record({ type: fc.constantFrom('integer', 'number'), minimum: fc.integer({ min: -3, max: 3 }), maximum: fc.integer({ min: -3, max: 3 }) }), // prettier-ignore
  fc.record({ enum: fc.uniqueArray(fc.constantFrom<unknown>('a', 'bb', 1, 2, null, true), { minLength: 1, maxLength: 4 }) }), // prettier-ignore
  fc.record({ type: fc.constantFrom('boolean', 'null', 'string', 'integer') }),
  fc.record({ const: fc.constantFrom<unknown>('a', 1, null) }),
);
const schemas: fc.Arbitrary<JsonSchema> = fc.letrec<{ schema: JsonSchema }>((tie) => ({
  schema: fc.oneof(
    { depthSize: 'small', maxDepth: 3 },
    scalarSchemas as fc.Arbitrary<JsonSchema>,
    fc.record({
      type: fc.constant('object'),
      properties: fc.dictionary(fc.constantFrom('a', 'b', 'c'), tie('schema'), { maxKeys: 2 }),
      required: fc.subarray(['a', 'b']),
      additionalProperties: fc.boolean(),
    }),
    fc.record({ type: fc.constant('array'), items: tie('schema'), minItems: fc.nat(1) }),
  ),
})).schema;
const topSchemas = fc.oneof(
  schemas,
  fc.record({
    $defs: fc.record({ 'x y': schemas }),
    type: fc.constant('array'),
    items: fc.constant({ $ref: '#/$defs/x%20y' }),
  }),
);
const values = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small', maxDepth: 3 },
    fc.constantFrom<unknown>('a', 'bb', 'cccc', '', -2, 0, 1, 2, 1.5, null, true),
    fc.dictionary(fc.constantFrom('a', 'b', 'c'), tie('value'), { maxKeys: 3 }),
    fc.array(tie('value'), { maxLength: 2 }),
  ),
})).value;

describe('A compiled facet contract', () => {
  it('accepts what each facet and its ancestors accept, and nothing else', () => {
    fc.assert(
      fc.property(
        fc.tuple(topSchemas, topSchemas, topSchemas),
        fc.tuple(values, values, values),
        fc.tuple(fc.boolean(), fc.boolean(), fc.boolean()),
        fc.subarray(['/parent', '/key']),
        ([first, second, third], [x, y, z], required, wiring) => {
          const facets = [
            facet('first', first),
            facet('second', second, wiring.includes('/parent') ? { extends: 'first' } : {}),
            facet('third', third, wiring.includes('/key') ? { propertyKey: 'second' } : { propertyKey: 'other/key' }),
          ];
          const catalog = catalogOf(...facets);
          const requests = ['first', 'second', 'third'].map((name, at) => ({ facet: name, required: required[at]! }));
          const compiled = compileFacets(catalog, requests, 'bidirectional');
          const value: Record<string, unknown> = { first: x, second: y, [compiled.keys.third!]: z };
          if (!required[0] && x === null) delete value.first;
          const expected = facets.every((one) => {
            const key = compiled.keys[one.name]!;
            if (!(key in value)) return !requests.find((request) => request.facet === one.name)!.required;
            const own = validatorFor(one.schema)(value[key]).length === 0;
            return own && (one.extends === undefined || validatorFor(first)(value[key]).length === 0);
          });
          expect(validateFacets(compiled, value).length === 0).toBe(expected);
        },
      ),
      { numRuns: 200 },
    );
  });

  it('reports a conflict only where no value at all is possible', () => {
    fc.assert(
      fc.property(scalarSchemas, scalarSchemas, values, (first, second, value) => {
        const catalog = catalogOf(
          facet('first', first as JsonSchema),
          facet('second', second as JsonSchema, { propertyKey: 'first' }),
        );
        const both = compileFacets(catalog, [{ facet: 'first' }, { facet: 'second' }], 'bidirectional');
        if (both.errors.length > 0) expect(validateFacets(both, { first: value })).not.toEqual([]);
      }),
      { numRuns: 300 },
    );
  });

  it('finds every contradiction of whole numbers', () => {
    const bounds = fc.integer({ min: -4, max: 4 });
    fc.assert(
      fc.property(bounds, bounds, bounds, bounds, (a, b, c, d) => {
        const catalog = catalogOf(
          facet('first', { type: 'integer', minimum: a, exclusiveMaximum: b }),
          facet('second', { type: 'number', exclusiveMinimum: c, maximum: d, multipleOf: 1 }, { extends: 'first' }),
        );
        const possible = [-5, -4, -3, -2, -1, 0, 1, 2, 3, 4, 5].some((n) => n >= a && n < b && n > c && n <= d);
        expect(codes(catalog, 'second')).toEqual(possible ? [] : ['BOUNDS_CONFLICT']);
      }),
    );
  });

  it('finds conflicts deep inside, through arrays, references and alternatives', () => {
    const variants = (item: JsonSchema): JsonSchema => ({ type: 'array', minItems: 1, items: item });
    const catalog = catalogOf(
      facet('copy', variants({ type: 'object', properties: { tone: { enum: ['warm', 'dry'] } }, required: ['tone'] })),
      facet('enumerated', variants({ type: 'object', properties: { tone: { const: 'loud' } } }), { extends: 'copy' }),
      facet('typed', variants({ $ref: '#/$defs/item', $defs: {} }), { extends: 'copy' }),
      facet(
        'referring',
        { $defs: { item: { properties: { tone: { type: 'number' } } } }, items: { $ref: '#/$defs/item' } },
        { extends: 'copy' },
      ),
      facet('closed', { items: { properties: { headline: {} }, additionalProperties: false } }, { extends: 'copy' }),
      facet('alternatives', { anyOf: [{ maxItems: 0 }, { items: { properties: { tone: { type: 'null' } } } }] }, { extends: 'copy' }), // prettier-ignore
      facet('fine', { items: { properties: { tone: { type: 'string', maxLength: 3 } } } }, { extends: 'copy' }),
    );
    const first = (name: string) => compileFacets(catalog, [{ facet: name }], 'output').errors[0];
    expect(first('enumerated')).toMatchObject({
      code: 'ENUM_CONFLICT',
      facet: 'enumerated',
      otherFacet: 'copy',
      pointer: '/properties/enumerated/allOf/1/items/properties/tone',
    });
    expect(first('referring')).toMatchObject({ code: 'TYPE_MISMATCH' });
    expect(first('closed')).toMatchObject({ code: 'MERGE_UNSUPPORTED', otherFacet: 'closed' });
    expect(first('alternatives')).toMatchObject({ code: expect.stringMatching(/BOUNDS_CONFLICT|TYPE_MISMATCH/) });
    expect(first('fine')).toBeUndefined();
  });

  it('reports unknown facets and wrong directions', () => {
    const catalog = catalogOf(facet('brief', { type: 'string' }, { direction: 'input' }));
    const { errors } = compileFacets(catalog, [{ facet: 'brief' }, { facet: 'breif' }], 'output');
    expect(errors.map(({ code, facet: name }) => [code, name])).toEqual([
      ['DIRECTION_MISMATCH', 'brief'],
      ['FACET_NOT_FOUND', 'breif'],
    ]);
  });

  it('maps a validation error back to the facet, its title and the place', () => {
    const catalog = catalogOf(
      facet(
        'assetBundle',
        { type: 'object', required: ['files'] },
        { propertyKey: 'assets', requiredByDefault: false },
      ),
      facet('copyVariants', { type: 'array', items: { type: 'object', required: ['headline'] } }),
    );
    const compiled = compileFacets(catalog, [{ facet: 'assetBundle' }, { facet: 'copyVariants' }], 'output');
    expect(validateFacets(compiled, { assets: {}, copyVariants: [{ headline: 'x' }, {}] })).toEqual([
      expect.objectContaining({ pointer: '/assets/files', facet: 'assetBundle', title: 'The assetBundle' }),
      expect.objectContaining({ pointer: '/copyVariants/1/headline', facet: 'copyVariants', keyword: 'required' }),
    ]);
    expect(validateFacets(compiled, {})).toEqual([
      expect.objectContaining({ pointer: '/copyVariants', facet: 'copyVariants', title: 'The copyVariants' }),
    ]);
  });

  it('stands recursive schemas and cyclic extends', () => {
    const tree: JsonSchema = { type: 'object', properties: { children: { type: 'array', items: { $ref: '#' } } } };
    const catalog = catalogOf(
      facet('tree', tree),
      facet('subtree', tree, { extends: 'tree' }),
      facet('a', { type: 'string' }, { extends: 'b' }),
      facet('b', { minLength: 2 }, { extends: 'a' }),
    );
    expect(codes(catalog, 'subtree', 'a')).toEqual([]);
    const compiled = compileFacets(catalog, [{ facet: 'subtree' }], 'bidirectional');
    expect(validateFacets(compiled, { subtree: { children: [{ children: [1] }] } })).not.toEqual([]);
    expect(validateFacets(compiled, { subtree: { children: [{ children: [] }] } })).toEqual([]);
  });
});
