import type { Facet } from '@flex/contracts';
import { checkFacetDefinition } from './check-facet.js';

const facet = (name: string, more: Partial<Facet>): Facet => ({
  name,
  direction: 'bidirectional',
  schema: {},
  ...more,
});

describe('Checking a facet definition', () => {
  const catalog = new Map(
    [facet('tone', { schema: { enum: ['warm', 'dry'] } }), facet('mood', { extends: 'feeling' })].map((one) => [
      one.name,
      one,
    ]),
  );

  it.each([
    ['a schema that is none', { schema: { type: 'strnig' } }, 'FACET_SCHEMA_INVALID', '/schema/type'],
    ['a reference into nowhere', { schema: { $ref: '#/$defs/x' } }, 'FACET_SCHEMA_INVALID', '/schema'],
    ['a pattern that does not compile', { schema: { pattern: '(' } }, 'FACET_SCHEMA_INVALID', '/schema'],
    ['an unknown parent', { extends: 'tune' }, 'UNKNOWN_FACET', '/extends'],
    ['itself as parent', { extends: 'feeling' }, 'FACET_EXTENDS_CYCLE', '/extends'],
    ['a cycle through others', { extends: 'mood' }, 'FACET_EXTENDS_CYCLE', '/extends'],
    ['a contradiction with its parent', { extends: 'tone', schema: { const: 'loud' } }, 'FACET_CONTRACT_ENUM_CONFLICT', '/schema'], // prettier-ignore
  ])('refuses %s, with a pointer', (_what, more, code, pointer) => {
    const [first] = checkFacetDefinition(facet('feeling', more), catalog);
    expect(first).toMatchObject({ code, severity: 'error', facet: 'feeling' });
    expect(first!.pointer!.startsWith(pointer)).toBe(true);
  });

  it('finds nothing wrong with a good one', () => {
    expect(checkFacetDefinition(facet('feeling', { extends: 'tone', schema: { type: 'string' } }), catalog)).toEqual(
      [],
    );
  });
});
