import { Rejection } from '@flex/contracts';
import { decodeCursor, encodeCursor } from './pagination.js';

describe('cursors of pages', () => {
  it('say where the page before ended', () => {
    expect(decodeCursor(undefined, ['sequence'])).toBeUndefined();
    expect(decodeCursor(encodeCursor([42]), ['sequence'])).toEqual([42]);
    expect(decodeCursor(encodeCursor([42, 'task-1']), ['sequence', 'text'])).toEqual([42, 'task-1']);
  });

  it.each([
    ['of another list', encodeCursor([42])],
    ['with a text for a number', encodeCursor(['a', 'b'])],
    ['with a number for a text', encodeCursor([1, 2])],
    ['before all', encodeCursor([-1, 'a'])],
    ['that no database can be asked for', encodeCursor([1, 'a\u0000'])],
    ['that is no cursor', 'abc'],
    ['that is empty', ''],
  ])('%s: refused', (_case, cursor) => {
    expect(() => decodeCursor(cursor, ['sequence', 'text'])).toThrow(Rejection);
  });
});
