import { Rejection } from '@flex/contracts';
import { namesOf } from './query-names.js';

describe('names in a query', () => {
  it('are separated by commas', () => {
    expect(namesOf('types', undefined, ['a', 'b'])).toBeUndefined();
    expect(namesOf('types', 'a, b', ['a', 'b', 'c'])).toEqual(new Set(['a', 'b']));
  });

  it.each(['d', '', 'a,', 'a,d'])('"%s": refused, with those that there are', (given) => {
    expect(() => namesOf('types', given, ['a', 'b'])).toThrow(Rejection);
    try {
      namesOf('types', given, ['a', 'b']);
    } catch (error) {
      expect((error as Rejection).problem.errors).toMatchObject([
        { pointer: '/types', message: expect.stringContaining('is not one of a, b') },
      ]);
    }
  });
});
