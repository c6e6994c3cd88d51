import type { Json } from '@flex/contracts';

/** Parsed pointers, kept because the same few are resolved again and again on the hot path. */
const parsed = new Map<string, readonly string[]>();
const REMEMBERED = 10_000;

/** Reference tokens of a JSON pointer (RFC 6901); a pointer that does not start with `/` has none. */
export function pointerTokens(pointer: string): readonly string[] {
  let tokens = parsed.get(pointer);
  if (tokens === undefined) {
    tokens = pointer.startsWith('/')
      ? pointer
          .slice(1)
          .split('/')
          .map((token) => token.replaceAll('~1', '/').replaceAll('~0', '~'))
      : [];
    if (parsed.size >= REMEMBERED) parsed.clear();
    parsed.set(pointer, tokens);
  }
  return tokens;
}

/** A member name as reference token. */
export const escapeToken = (name: string): string => name.replaceAll('~', '~0').replaceAll('/', '~1');

/** One step into a value: own members only, so that nothing of JavaScript itself can be read; undefined when absent. */
export function member(value: Json | undefined, token: string): Json | undefined {
  if (Array.isArray(value)) return /^(0|[1-9]\d{0,9})$/.test(token) ? value[Number(token)] : undefined;
  if (value !== null && typeof value === 'object') return Object.hasOwn(value, token) ? value[token] : undefined;
  return undefined;
}

/** The value at a pointer, or undefined. */
export function resolvePointer(value: Json | undefined, pointer: string): Json | undefined {
  let current = value;
  for (const token of pointerTokens(pointer)) {
    current = member(current, token);
    if (current === undefined) return undefined;
  }
  return current;
}
