import { Rejection } from '@flex/contracts';
import { decodeCursor, encodeCursor, pageByName } from './pagination.js';

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

describe('pages of what lies in memory', () => {
  const entries = new Map(['d', 'b', 'a', 'c', 'e'].map((name) => [name, name]));
  const all = (): boolean => true;

  it('are the whole, by name, without a limit', () => {
    expect(pageByName(entries, all, {})).toEqual({ items: ['a', 'b', 'c', 'd', 'e'] });
  });

  it('follow each other, whatever comes and goes between them', () => {
    const first = pageByName(entries, (name) => name !== 'b', { limit: '2' });
    expect(first.items).toEqual(['a', 'c']);
    const later = new Map([...entries, ['aa', 'aa'], ['f', 'f']]);
    later.delete('c');
    expect(pageByName(later, all, { limit: '2', cursor: first.next })).toMatchObject({ items: ['d', 'e'] });
    expect(pageByName(later, all, { limit: '3', cursor: first.next })).toEqual({ items: ['d', 'e', 'f'] });
  });
});
