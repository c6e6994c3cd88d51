import type { ValidationIssue } from '@flex/contracts';
import { dividesTooOften } from './pattern-cost.js';

const MAX_PATTERN_LENGTH = 500;
const MAX_SCHEMA_DEPTH = 64;
/** As text. What a hundred kilobytes compile to is still done in a moment; ten times that takes minutes. */
export const MAX_SCHEMA_BYTES = 128 * 1024;

/**
 * What could make a process stand still that compiles a user's schema, or holds a value against it: its size, its depth,
 * and regular expressions that could take for ever. Pointers are into the schema, behind `pointer`.
 */
export function unsafeSchema(schema: unknown, pointer: string): ValidationIssue[] {
  if (depthOf(schema, MAX_SCHEMA_DEPTH) > MAX_SCHEMA_DEPTH)
    return [{ pointer, message: `is nested deeper than ${MAX_SCHEMA_DEPTH} levels`, keyword: 'depth' }];
  if (Buffer.byteLength(JSON.stringify(schema) ?? '') > MAX_SCHEMA_BYTES)
    return [{ pointer, message: `is larger than ${MAX_SCHEMA_BYTES / 1024} KiB`, keyword: 'size' }];
  return unsafePatterns(schema, pointer);
}

function depthOf(value: unknown, limit: number): number {
  if (value === null || typeof value !== 'object') return 0;
  if (limit < 0) return 1;
  let deepest = 0;
  for (const inner of Object.values(value)) deepest = Math.max(deepest, depthOf(inner, limit - 1));
  return deepest + 1;
}

/** Regular expressions in a schema that could take for ever on the wrong text, with pointers to them. */
function unsafePatterns(schema: unknown, pointer: string): ValidationIssue[] {
  const faults: ValidationIssue[] = [];
  const check = (pattern: string, at: string): void => {
    const message = patternFault(pattern);
    if (message) faults.push({ pointer: at, message, keyword: 'pattern' });
  };
  const walk = (value: unknown, at: string): void => {
    if (value === null || typeof value !== 'object') return;
    for (const [key, inner] of Object.entries(value)) {
      const path = `${at}/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`;
      if (key === 'pattern' && typeof inner === 'string') check(inner, path);
      if (key === 'patternProperties' && inner !== null && typeof inner === 'object') {
        for (const name of Object.keys(inner))
          check(name, `${path}/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`);
      }
      // A constant is data, whatever its members are called.
      if (key !== 'const' && key !== 'enum' && key !== 'default' && key !== 'examples') walk(inner, path);
    }
  };
  walk(schema, pointer);
  return faults;
}

/** Why a pattern is refused; undefined when it is fine. */
export function patternFault(pattern: string): string | undefined {
  if (pattern.length > MAX_PATTERN_LENGTH) return `is longer than ${MAX_PATTERN_LENGTH} characters`;
  try {
    void new RegExp(pattern, 'u');
  } catch (error) {
    return `is not a valid regular expression: ${(error as Error).message.replace(/^Invalid regular expression: /, '')}`;
  }
  if (/\\[1-9]|\\k</.test(pattern)) return 'uses a back-reference, which can take exponential time';
  if (hasNestedRepetition(pattern)) {
    return 'repeats something that itself repeats or branches, which can take exponential time; write it without nesting';
  }
  if (dividesTooOften(pattern)) {
    return 'repeats several times what can be the same text, which can take very long time; keep the repetitions apart by characters that they do not take';
  }
  return undefined;
}

interface Group {
  /** Holds an unbounded repetition, or alternatives: repeating it again is what explodes. */
  risky: boolean;
}

/**
 * Star height above one, or alternatives under a star: the classes of patterns that backtrack exponentially. Refuses a
 * few harmless ones too, which can always be written flat.
 */
function hasNestedRepetition(pattern: string): boolean {
  const stack: Group[] = [{ risky: false }];
  let last: Group | undefined;
  for (let index = 0; index < pattern.length; index += 1) {
    const char = pattern[index];
    const top = stack.at(-1)!;
    if (char === '\\') {
      index = skipEscape(pattern, index);
      last = { risky: false };
    } else if (char === '[') {
      index = skipClass(pattern, index);
      last = { risky: false };
    } else if (char === '(') {
      stack.push({ risky: false });
    } else if (char === ')') {
      last = stack.pop()!;
      const outer = stack.at(-1);
      if (outer && last.risky) outer.risky = true;
    } else if (char === '|') {
      top.risky = true;
    } else if (isUnbounded(pattern, index)) {
      if (last?.risky) return true;
      top.risky = true;
      if (last) last.risky = true;
    } else if (char !== '?' && char !== '}') {
      last = { risky: false };
    }
  }
  return false;
}

/** `*`, `+`, `{n,}` and counts so high that they are as good as unbounded. */
function isUnbounded(pattern: string, index: number): boolean {
  const char = pattern[index];
  if (char === '*' || char === '+') return true;
  if (char !== '{') return false;
  const count = /^\{(\d+)(,(\d*))?\}/.exec(pattern.slice(index));
  if (!count) return false;
  if (count[2] !== undefined && count[3] === '') return true;
  return Number(count[3] ?? count[1]) > 1000;
}

const skipEscape = (pattern: string, index: number): number => {
  if ((pattern[index + 1] === 'p' || pattern[index + 1] === 'u') && pattern[index + 2] === '{') {
    return pattern.indexOf('}', index);
  }
  return index + 1;
};

function skipClass(pattern: string, index: number): number {
  for (let end = index + 1; end < pattern.length; end += 1) {
    if (pattern[end] === '\\') end += 1;
    else if (pattern[end] === ']') return end;
  }
  return pattern.length;
}
