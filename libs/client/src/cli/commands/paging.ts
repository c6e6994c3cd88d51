import type { CommandContext } from '../command.js';
import { usage } from '../failure.js';

/** `--limit`: how many items at most; 50 if absent. */
export function limitOf({ args }: CommandContext): number {
  const text = args.text('limit');
  if (text === undefined) return 50;
  const limit = Number(text);
  if (!Number.isInteger(limit) || limit < 1) throw usage(`--limit is a number from 1 up, not "${text}"`);
  return limit;
}

/** Items that the gateway gives in one page at most. */
const PAGE = 500;

/** The first `limit` items of a list, over as many pages as that takes. */
export async function upTo<T>(limit: number, list: (pageSize: number) => AsyncIterable<T>): Promise<T[]> {
  const items: T[] = [];
  for await (const item of list(Math.min(PAGE, limit))) if (items.push(item) >= limit) break;
  return items;
}
