import { issuesOf, Type, type TSchema } from './index.js';
import { TaskEnvelope } from './envelope.js';
import { LIMIT } from './api/route.js';

const said = (schema: TSchema, value: unknown) =>
  issuesOf(schema, value).map(({ pointer, message }) => `${pointer} ${message}`);

describe('what is wrong, in words', () => {
  it.each([
    ['', 'must not be empty'],
    ['x'.repeat(4), 'must have at most 3 characters'],
    [7, 'must be string'],
  ])('a text: %j', (value, words) => {
    expect(said(Type.String({ minLength: 1, maxLength: 3 }), value)).toEqual([` ${words}`]);
  });

  it('a list', () => {
    const list = Type.Array(Type.String(), { minItems: 2, maxItems: 3 });
    expect(said(list, ['a'])).toEqual([' must have at least 2 items']);
    expect(said(list, ['a', 'b', 'c', 'd'])).toEqual([' must have at most 3 items']);
  });

  it('which kinds of a thing there are, at the member that says which', () => {
    const contract = (outputContract: object) => said(TaskEnvelope, { objective: 'x', outputContract });
    expect(contract({ mode: 'facetz' })).toEqual([
      '/outputContract/mode must be one of "json_schema", "facets", "freeform"',
    ]);
    expect(contract({})).toEqual([
      '/outputContract/mode "mode" is required',
      '/outputContract/mode must be one of "json_schema", "facets", "freeform"',
    ]);
  });

  it('what a pattern means, where that is known', () => {
    expect(said(LIMIT, '501')[0]).toContain('(items in a page: 1 to 500, 50 if absent)');
    expect(said(LIMIT, '500')).toEqual([]);
  });

  it('says of alternatives what is wrong with them, not that none of them fits', () => {
    const either = Type.Unsafe({ anyOf: [{ type: 'string' }, { type: 'array' }] });
    expect(said(either, 7)).toEqual([' must be string', ' must be array']);
  });
});
