/** The words of a name: `copyVariants`, `copy_variants` and `Copy variants` are the same two, each without its plural s. */
export function wordsOf(name: string): readonly string[] {
  let words = remembered.get(name);
  if (words === undefined) {
    if (remembered.size >= REMEMBERED) remembered.clear();
    remembered.set(name, (words = split(name)));
  }
  return words;
}

const REMEMBERED = 50_000;
const remembered = new Map<string, readonly string[]>();

function split(name: string): string[] {
  return name
    .replaceAll(/([a-z0-9])([A-Z])/g, '$1 $2')
    .toLowerCase()
    .split(/[^\p{L}\p{N}]+/u)
    .filter((word) => word.length > 0)
    .map(singular);
}

function singular(word: string): string {
  if (word.length > 4 && word.endsWith('ies')) return `${word.slice(0, -3)}y`;
  if (word.length > 3 && word.endsWith('s') && !word.endsWith('ss')) return word.slice(0, -1);
  return word;
}

/**
 * How likely two names mean the same, 0..1: 1 for the same name, 0.95 for the same words, 0.8 for an abbreviation (`cta`,
 * callToAction), else by shared words, counting most when they are last (in English the last word names the thing).
 */
export function nameLikeness(one: string, other: string): number {
  if (one === other) return 1;
  const [a, b] = [wordsOf(one), wordsOf(other)];
  if (a.length === 0 || b.length === 0) return 0;
  if (a.join(' ') === b.join(' ')) return 0.95;
  if (a.join('') === b.join('')) return 0.9;
  if (initials(a) === b.join('') || initials(b) === a.join('')) return 0.8;
  const shared = a.filter((word) => b.includes(word)).length;
  if (shared === 0) return 0;
  const sameHead = a.at(-1) === b.at(-1) ? 0.2 : 0;
  return Math.min(0.85, (shared / (a.length + b.length - shared)) * 0.8 + sameHead);
}

const initials = (words: readonly string[]): string => (words.length < 2 ? '' : words.map((word) => word[0]).join(''));
