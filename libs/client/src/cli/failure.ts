import { exitCodes } from './exit-codes.js';

/** An end of the command that the user is told about in one line, and details below it. Never shown with a stack. */
export class Failure extends Error {
  constructor(
    message: string,
    readonly exitCode: number = exitCodes.failed,
    readonly details: readonly string[] = [],
  ) {
    super(message);
  }
}

/** The command line or the envelope is wrong. */
export const usage = (message: string, details: readonly string[] = []): Failure =>
  new Failure(message, exitCodes.usage, details);

/** Nobody answers at the gateway's address. */
export const unreachable = (message: string, details: readonly string[] = []): Failure =>
  new Failure(message, exitCodes.unreachable, details);

/** The name among `known` that was probably meant. */
export function nearest(word: string, known: readonly string[]): string | undefined {
  const scored = known
    .map((name) => ({ name, distance: name.startsWith(word) && word.length > 1 ? 1 : distanceOf(word, name) }))
    .toSorted((a, b) => a.distance - b.distance);
  const best = scored[0];
  return best && best.distance <= Math.max(1, Math.floor(word.length / 3)) ? best.name : undefined;
}

/** Edits between two words, a swap of neighbours counting as one: words of a command line are short. */
function distanceOf(a: string, b: string): number {
  const rows = [Array.from({ length: b.length + 1 }, (_, j) => j)];
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const above = rows[i - 1]!;
      let least = Math.min(above[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1), above[j]! + 1, row[j - 1]! + 1);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        least = Math.min(least, rows[i - 2]![j - 2]! + 1);
      row.push(least);
    }
    rows.push(row);
  }
  return rows[a.length]![b.length]!;
}
