import fc from 'fast-check';
import { jsonFault } from './json-place.js';

describe('the place where JSON breaks', () => {
  it.each([
    ['{\n  "a": \n}', 3, 1, 'a value'],
    ['{"a": 1,}', 1, 9, 'a name in double quotes'],
    ["{'a': 1}", 1, 2, 'a name in double quotes or }'],
    ['[1 2]', 1, 4, ', or ]'],
    ['{"a" 1}', 1, 6, ':'],
    ['{} x', 1, 4, 'the end'],
    ['{"a": "open', 1, 7, 'a value'],
    ['[1,\n 01]', 2, 3, ', or ]'],
    ['{"a": 1', 1, 8, ', or }'],
  ])('%j: line %d, column %d, expected %s', (text, line, column, expected) => {
    expect(jsonFault(text)).toEqual({ line, column, expected });
  });

  it('finds nothing wrong inside any JSON text', () => {
    fc.assert(
      fc.property(fc.json(), fc.constantFrom(0, 2), (text, indent) => {
        const valid = JSON.stringify(JSON.parse(text), null, indent);
        expect(jsonFault(`${valid} \u0001`).expected).toBe('the end');
      }),
    );
  });
});
