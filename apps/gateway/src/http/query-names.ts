import { refuse } from './problems.js';

/** Names by commas. One that there is not is refused: silently it would match nothing. */
export function namesOf(
  parameter: string,
  given: string | undefined,
  known: readonly string[],
): ReadonlySet<string> | undefined {
  if (given === undefined) return undefined;
  const names = given.split(',').map((name) => name.trim());
  const unknown = names.find((name) => !known.includes(name));
  if (unknown === undefined) return new Set(names);
  throw refuse.invalidQuery([
    { pointer: `/${parameter}`, message: `"${unknown}" is not one of ${known.join(', ')}`, keyword: 'enum' },
  ]);
}
