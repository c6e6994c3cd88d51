/**
 * The name that somebody who wrote `wrong` most likely meant: differing only in case or separators, or within a third
 * of its length in edits; undefined when none is close.
 */
export function nearestName(wrong: string, names: Iterable<string>): string | undefined {
  return nearestNames(wrong, names, 1)[0];
}

/** Up to `count` close names, the closest first; equally close ones in the order given. */
export function nearestNames(wrong: string, names: Iterable<string>, count: number): string[] {
  const plain = squash(wrong);
  const limit = Math.max(1, Math.floor(plain.length / 3));
  const found: { name: string; distance: number }[] = [];
  for (const name of names) {
    const other = squash(name);
    const distance = editDistance(plain, other, limit);
    // A longer or shorter form of the same name counts too, behind those that are nearly the same.
    if (distance <= limit) found.push({ name, distance });
    else if (isPart(plain, other)) found.push({ name, distance: limit + 1 });
    else if (isPart(other, plain)) found.push({ name, distance: limit + 2 });
  }
  return found
    .sort((a, b) => a.distance - b.distance)
    .slice(0, count)
    .map(({ name }) => name);
}

const isPart = (part: string, whole: string): boolean =>
  part.length > 3 && (whole.startsWith(part) || whole.endsWith(part));

const squash = (name: string): string => name.toLowerCase().replaceAll(/[\s._-]/g, '');

/** Edits (insert, delete, replace, swap of neighbours) between two words; more than `limit` once it is exceeded. */
function editDistance(a: string, b: string, limit: number): number {
  if (Math.abs(a.length - b.length) > limit) return limit + 1;
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    let best = i;
    for (let j = 1; j <= b.length; j++) {
      const replaced = last[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      let cost = Math.min(replaced, last[j]! + 1, row[j - 1]! + 1);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        cost = Math.min(cost, beforeLast[j - 2]! + 1);
      row.push(cost);
      best = Math.min(best, cost);
    }
    if (best > limit) return limit + 1;
    beforeLast = last;
    last = row;
  }
  return last[b.length]!;
}
