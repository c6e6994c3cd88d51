import { refuse } from './problems.js';

/** Pages are continued from the last item's sort key, so that what is added meanwhile shifts nothing. */
export const DEFAULT_LIMIT = 50;

export const limitOf = (text: string | undefined): number => (text === undefined ? DEFAULT_LIMIT : Number(text));

export const encodeCursor = (position: (string | number)[]): string =>
  Buffer.from(JSON.stringify(position)).toString('base64url');

/** What each part of a cursor is; `sequence` is a whole number from 0 up. */
type Part = 'sequence' | 'text';
type Position<P extends readonly Part[]> = { -readonly [K in keyof P]: P[K] extends 'sequence' ? number : string };

const fits = (part: Part, value: unknown): boolean =>
  part === 'sequence'
    ? Number.isSafeInteger(value) && (value as number) >= 0
    : typeof value === 'string' && !value.includes('\u0000');

/** The position that a cursor stands for. One of another list, or made up, is refused before it reaches a query. */
export function decodeCursor<const P extends readonly Part[]>(
  text: string | undefined,
  parts: P,
): Position<P> | undefined {
  if (text === undefined) return undefined;
  try {
    const position = JSON.parse(Buffer.from(text, 'base64url').toString('utf8')) as unknown;
    if (
      Array.isArray(position) &&
      position.length === parts.length &&
      parts.every((part, index) => fits(part, position[index]))
    )
      return position as Position<P>;
  } catch {
    // said below
  }
  throw refuse.invalidQuery([{ pointer: '/cursor', message: 'is not the `next` of a page' }]);
}

/**
 * A page of what lies in memory by name: all of it where no limit is given. Continued from the last name, whether or not it
 * is still there.
 */
export function pageByName<T>(
  entries: ReadonlyMap<string, T>,
  fits: (entry: T) => boolean,
  query: { limit?: string; cursor?: string },
): { items: T[]; next?: string } {
  const [after = ''] = decodeCursor(query.cursor, ['text']) ?? [];
  const limit = query.limit === undefined ? Infinity : Number(query.limit);
  const items: T[] = [];
  let last = after;
  for (const name of [...entries.keys()].sort()) {
    if (name <= after || !fits(entries.get(name)!)) continue;
    if (items.length >= limit) return { items, next: encodeCursor([last]) };
    items.push(entries.get(name)!);
    last = name;
  }
  return { items };
}
