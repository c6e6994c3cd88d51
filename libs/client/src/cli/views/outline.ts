import type { Paint } from '../terminal.js';

/** Any JSON as an indented outline: names before values, lists with dashes, long texts as they are. */
export function outline(value: unknown, paint: Paint, lead = ''): string[] {
  if (Array.isArray(value)) return value.flatMap((item) => entry(`${lead}- `, item, paint, `${lead}  `));
  if (value !== null && typeof value === 'object') {
    return Object.entries(value).flatMap(([name, inner]) =>
      inner === undefined ? [] : entry(`${lead}${paint('dim', `${name}:`)} `, inner, paint, `${lead}  `),
    );
  }
  return [`${lead}${scalar(value)}`];
}

function entry(head: string, value: unknown, paint: Paint, lead: string): string[] {
  const flat = inline(value);
  if (flat !== undefined) return [`${head}${flat}`];
  if (head.endsWith('- ')) {
    // The first member stands on the dash's line.
    const [first = '', ...rest] = outline(value, paint, lead);
    return [`${head}${first.slice(lead.length)}`, ...rest];
  }
  return [head.trimEnd(), ...outline(value, paint, lead)];
}

/** What fits on its name's line: scalars, and short lists of scalars. */
function inline(value: unknown): string | undefined {
  if (value === null || typeof value !== 'object') return scalar(value);
  if (Array.isArray(value)) {
    if (value.length === 0) return '[]';
    const flat = value.every((item) => item === null || typeof item !== 'object') ? list(value) : undefined;
    return flat !== undefined && flat.length <= 100 ? flat : undefined;
  }
  return Object.keys(value).length === 0 ? '{}' : undefined;
}

/** Sentences have commas themselves: they stand one below the other. */
function list(values: unknown[]): string | undefined {
  const words = values.map(scalar);
  return words.length > 1 && words.some((word) => word.includes(', ') || word.length > 40)
    ? undefined
    : words.join(', ');
}

const scalar = (value: unknown): string => (typeof value === 'string' ? value : (JSON.stringify(value) ?? ''));
