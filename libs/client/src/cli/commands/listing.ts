import type { CommandContext } from '../command.js';
import { exitCodes } from '../exit-codes.js';

/** A list for programs (one JSON per line), or for people; an empty one says what to do, on stderr. */
export function showItems(
  { json, terminal }: CommandContext,
  items: readonly unknown[],
  whenEmpty: string,
  show: () => number,
): number {
  if (json) {
    for (const item of items) terminal.out(JSON.stringify(item));
    return exitCodes.ok;
  }
  if (items.length === 0) {
    terminal.err(terminal.paintErr('dim', whenEmpty));
    return exitCodes.ok;
  }
  return show();
}
