import type { Json } from '@flex/contracts';

/** Text of a JSON value, if it is one. */
export const textOf = (value: Json | undefined): string | undefined => {
  if (typeof value !== 'string') return undefined;
  const text = value.trim();
  return text === '' ? undefined : text;
};

export const objectOf = (value: Json | undefined): Record<string, Json> =>
  value !== null && typeof value === 'object' && !Array.isArray(value) ? value : {};

export const textsOf = (value: Json | undefined): string[] =>
  Array.isArray(value) ? value.flatMap((item) => textOf(item) ?? []) : [];

export const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);

export const withoutStop = (text: string): string => text.replace(/[.!?\s]+$/u, '');

/** A sentence: capital first, a stop at the end. */
export const sentence = (text: string): string => {
  const trimmed = text.trim();
  return trimmed === '' ? '' : capital(/[.!?…]$/u.test(trimmed) ? trimmed : `${trimmed}.`);
};

/** To stand in the middle of a sentence: small words that began it are small again, names stay as they are. */
export function clause(text: string): string {
  const bare = withoutStop(text.trim());
  const first = /^\p{L}+/u.exec(bare)?.[0].toLowerCase();
  return first !== undefined && STOP_WORDS.has(first) ? bare.charAt(0).toLowerCase() + bare.slice(1) : bare;
}

/** Cut at a word, with an ellipsis, when it is too long. */
export function cut(text: string, length: number): string {
  if (text.length <= length) return text;
  const room = text.slice(0, Math.max(1, length - 1));
  const space = room.lastIndexOf(' ');
  return `${(space > length / 2 ? room.slice(0, space) : room).replace(/[\s,;:–-]+$/u, '')}…`;
}

const STOP_WORDS = new Set(
  'a an and are as at be by can do every for from has have how in into is it its let no not of on one or our so that the their them they this to too we what when which who why will with you your'.split(
    ' ',
  ),
);

/** The words that carry meaning, in small letters. */
export const keywords = (text: string): string[] =>
  (text.toLowerCase().match(/[\p{L}\p{N}]{3,}/gu) ?? []).filter((word) => !STOP_WORDS.has(word));

/** How much of what `wanted` says is said in `text`, 0..1, by words. */
export function covered(wanted: string, text: string): number {
  const words = new Set(keywords(wanted));
  if (words.size === 0) return 1;
  const said = new Set(keywords(text));
  let found = 0;
  for (const word of words) if (said.has(word)) found += 1;
  return found / words.size;
}
