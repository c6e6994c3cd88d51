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
