/** A set of characters, as bits over the alphabet. */
type Chars = bigint;
type Term =
  | { kind: 'chars'; chars: Chars }
  | { kind: 'group'; alternatives: Item[][] }
  | { kind: 'nothing'; alternatives: Item[][] };
interface Item {
  term: Term;
  min: number;
  max: number;
}

/** Every ASCII character, and some that stand for all others. */
const ALPHABET = [
  ...Array.from({ length: 128 }, (_, code) => String.fromCodePoint(code)),
  ...'é中😀\u2028\u00a0\u0661',
];
const ALL: Chars = (1n << BigInt(ALPHABET.length)) - 1n;
/** What a repetition without an end counts, as a power of two: texts of that many characters are usual. */
const ENDLESS_BITS = 13;
/** Of one pattern: two repetitions without end that can take the same text, and a little. */
const MOST_BITS = 2 * ENDLESS_BITS + 2;
/** Rounds of a counted group that are followed; each adds at least as much as would be too much with more. */
const MOST_ROUNDS = MOST_BITS + 1;
const MOST_PATHS = 400;
/** Of judging one pattern: groups of groups of groups, each with a count, are refused rather than followed. */
const MOST_STEPS = 20_000;

/**
 * Whether matching can take more steps than texts of usual length allow, because several repetitions can divide the same
 * text among themselves in too many ways: `(.*,){11}`, `.*.*.*x`, `(a|aa){40}`. What lies between two repetitions keeps
 * them apart when neither can take it (`\d+\.\d+\.\d+`). Repetitions without end of groups that repeat are not judged here.
 */
export function dividesTooOften(pattern: string): boolean {
  const reader = { pattern, at: 0 };
  return walk(readAlternatives(reader), [FRESH], { steps: MOST_STEPS }) === undefined;
}

/** One way through the pattern so far: what all repetitions of the chain can take, and in how many ways. */
interface Path {
  chars: Chars;
  /** What has to be matched since the last repetition. */
  between: Chars[];
  bits: number;
}
interface Budget {
  steps: number;
}
const FRESH: Path = { chars: ALL, between: [], bits: 0 };

/** The paths behind alternatives; undefined when one costs too much. */
function walk(alternatives: readonly Item[][], paths: Path[], budget: Budget): Path[] | undefined {
  const shared = ambiguous(alternatives) ? Math.log2(alternatives.length) : 0;
  const out: Path[] = [];
  for (const items of alternatives) {
    let reached: Path[] | undefined = paths.map((path) => ({ ...path, bits: path.bits + shared }));
    for (const item of items) {
      budget.steps -= paths.length;
      if (budget.steps < 0) return undefined;
      reached = pass(item, reached, budget);
      if (reached) reached = merge(reached);
      if (!reached || reached.some((path) => path.bits > MOST_BITS)) return undefined;
    }
    out.push(...reached);
  }
  return merge(out);
}

function pass({ term, min, max }: Item, paths: Path[], budget: Budget): Path[] | undefined {
  if (term.kind === 'nothing') return walk(term.alternatives, [FRESH], budget) && paths;
  if (term.kind === 'chars') {
    const taken = paths.flatMap((path) => take(path, term.chars, min, max));
    return min === 0 ? [...taken, ...paths] : taken;
  }
  if (max > 1000) {
    if (growsEachRound(term.alternatives, budget)) return undefined;
    const chars = charsOf(term.alternatives);
    return [...paths.flatMap((path) => take(path, chars, min, max)), ...paths];
  }
  const out = min === 0 ? [...paths] : [];
  let reached: Path[] | undefined = paths;
  const choice = Math.log2(max - min + 1);
  for (let round = 1; round <= Math.min(max, MOST_ROUNDS) && reached; round++) {
    reached = walk(term.alternatives, reached, budget);
    if (reached && round >= Math.min(min, MOST_ROUNDS)) out.push(...reached);
  }
  if (!reached || choice === 0) return reached && merge(out);
  const counted = out.map((path) => ({ ...path, bits: path.bits > 0 ? path.bits + choice : 0 }));
  const chars = charsOf(term.alternatives);
  return merge([...counted, ...paths.flatMap((path) => take(path, chars, min, max))]);
}

/** Whether one more round of a group multiplies the ways, which without an end is exponential: `(a{1,2})*`. */
function growsEachRound(alternatives: readonly Item[][], budget: Budget): boolean {
  const costs: number[] = [];
  let reached: Path[] | undefined = [FRESH];
  for (let round = 0; round < 3; round++) {
    reached = walk(alternatives, reached, budget);
    if (!reached) return true;
    costs.push(Math.max(...reached.map(({ bits }) => bits)));
  }
  return costs[2]! > costs[1]!;
}

function take(path: Path, chars: Chars, min: number, max: number): Path[] {
  const bits = max > 1000 ? ENDLESS_BITS : Math.log2(max - min + 1);
  if (bits === 0) {
    if ((path.chars & chars) === 0n || path.bits === 0) return [FRESH];
    return [{ ...path, between: path.between.includes(chars) ? path.between : [...path.between, chars] }, FRESH];
  }
  const shared = path.chars & chars;
  const connected = shared !== 0n && path.between.every((step) => (step & shared) !== 0n);
  const alone: Path = { chars, between: [], bits };
  return connected ? [{ chars: shared, between: path.between, bits: path.bits + bits }, alone] : [alone];
}

/** Of paths that can take the same only the costliest counts. */
function merge(paths: readonly Path[]): Path[] {
  const best = new Map<string, Path>();
  for (const path of paths) {
    const key = [path.chars, ...path.between].join();
    if ((best.get(key)?.bits ?? -1) < path.bits) best.set(key, path);
  }
  return [...best.values()].sort((a, b) => b.bits - a.bits).slice(0, MOST_PATHS);
}

/** Whether two alternatives can begin with the same character, so that both have to be tried. */
function ambiguous(alternatives: readonly Item[][]): boolean {
  let seen: Chars = 0n;
  return alternatives.some((items) => {
    const first = firstOf(items);
    const meets = (seen & first) !== 0n;
    seen |= first;
    return meets;
  });
}

function firstOf(items: readonly Item[]): Chars {
  let first: Chars = 0n;
  for (const { term, min } of items) {
    if (term.kind === 'nothing') continue;
    first |= term.kind === 'chars' ? term.chars : term.alternatives.reduce((all, inner) => all | firstOf(inner), 0n);
    if (min > 0) return first;
  }
  return first;
}

const charsOf = (alternatives: readonly Item[][]): Chars =>
  alternatives.flat().reduce<Chars>((all, { term }) => {
    if (term.kind === 'nothing') return all;
    return all | (term.kind === 'chars' ? term.chars : charsOf(term.alternatives));
  }, 0n);

interface Reader {
  /** Known to be a sound regular expression. */
  pattern: string;
  at: number;
}

function readAlternatives(reader: Reader): Item[][] {
  const alternatives: Item[][] = [[]];
  while (reader.at < reader.pattern.length && reader.pattern[reader.at] !== ')') {
    if (reader.pattern[reader.at] === '|') {
      reader.at += 1;
      alternatives.push([]);
      continue;
    }
    const term = readTerm(reader);
    alternatives.at(-1)!.push({ term, ...readCount(reader) });
  }
  return alternatives;
}

function readTerm(reader: Reader): Term {
  const rest = reader.pattern.slice(reader.at);
  const group = /^\((?:\?(?:(<?[=!])|:|<[^>]*>|[a-z-]*:))?/.exec(rest);
  if (group) {
    reader.at += group[0].length;
    const alternatives = readAlternatives(reader);
    reader.at += 1;
    return { kind: group[1] ? 'nothing' : 'group', alternatives };
  }
  const atom =
    /^(?:\[(?:\\[^]|[^\]\\])*\]|\\[pP]\{[^}]*\}|\\u\{[^}]*\}|\\u[\da-fA-F]{4}|\\x[\da-fA-F]{2}|\\c[A-Za-z]|\\[^]|[^])/u;
  const [text] = atom.exec(rest)!;
  reader.at += text.length;
  if (/^(?:[$^]|\\[bB])$/.test(text)) return { kind: 'nothing', alternatives: [] };
  return { kind: 'chars', chars: charsThat(text) };
}

/** The engine itself says what an atom takes. */
function charsThat(atom: string): Chars {
  const matches = new RegExp(`^${atom}$`, 'u');
  return ALPHABET.reduce((chars, char, index) => (matches.test(char) ? chars | (1n << BigInt(index)) : chars), 0n);
}

function readCount(reader: Reader): { min: number; max: number } {
  const found = /^(?:([*+?])|\{(\d+)(?:(,)(\d*))?\})\??/.exec(reader.pattern.slice(reader.at));
  if (!found) return { min: 1, max: 1 };
  reader.at += found[0].length;
  const [, sign, low, comma, high] = found;
  if (sign === '?') return { min: 0, max: 1 };
  if (sign) return { min: sign === '+' ? 1 : 0, max: Number.POSITIVE_INFINITY };
  const max = comma === undefined ? Number(low) : high === '' ? Number.POSITIVE_INFINITY : Number(high);
  return { min: Number(low), max };
}
