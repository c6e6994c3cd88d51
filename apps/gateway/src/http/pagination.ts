import { refuse } from './problems.js';

/** Pages are continued from the last item's sort key, so that what is added meanwhile shifts nothing. */
export const DEFAULT_LIMIT = 50;
export const MAX_LIMIT = 500;

export const limitOf = (text: string | undefined): number =>
  Math.min(MAX_LIMIT, text === undefined ? DEFAULT_LIMIT : Number(text));

export const encodeCursor = (position: (string | number)[]): string =>
  Buffer.from(JSON.stringify(position)).toString('base64url');

export function decodeCursor(text: string | undefined, length: number): (string | number)[] | undefined {
  if (text === undefined) return undefined;
  try {
    const position = JSON.parse(Buffer.from(text, 'base64url').toString('utf8')) as unknown;
    const simple = (part: unknown): boolean => typeof part === 'string' || Number.isSafeInteger(part);
    if (Array.isArray(position) && position.length === length && position.every(simple))
      return position as (string | number)[];
  } catch {
    // said below
  }
  throw refuse.invalidQuery([{ pointer: '/cursor', message: 'is not the `next` of a page' }]);
}
