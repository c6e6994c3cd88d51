/** Number of operands: least and most. */
type Arity = readonly [least: number, most: number];
const ANY = Infinity;

/**
 * The operators of conditions: those of JSON Logic, and four of ours (`exists`, `length`, `startsWith`, `endsWith`).
 * The scoped ones evaluate their second operand with the item as the only data.
 */
export const operators: Readonly<Record<string, Arity>> = {
  var: [0, 2],
  missing: [0, ANY],
  missing_some: [2, 2],
  exists: [1, 1],
  if: [0, ANY],
  '?:': [3, 3],
  '==': [2, 2],
  '===': [2, 2],
  '!=': [2, 2],
  '!==': [2, 2],
  '!': [1, 1],
  '!!': [1, 1],
  or: [1, ANY],
  and: [1, ANY],
  '>': [2, 3],
  '>=': [2, 3],
  '<': [2, 3],
  '<=': [2, 3],
  max: [0, ANY],
  min: [0, ANY],
  '+': [1, ANY],
  '-': [1, 2],
  '*': [1, ANY],
  '/': [2, 2],
  '%': [2, 2],
  map: [2, 2],
  filter: [2, 2],
  reduce: [3, 3],
  all: [2, 2],
  none: [2, 2],
  some: [2, 2],
  merge: [0, ANY],
  in: [2, 2],
  cat: [0, ANY],
  substr: [2, 3],
  length: [1, 1],
  startsWith: [2, 2],
  endsWith: [2, 2],
};

/** Operators whose second operand sees one item instead of the context. */
export const itemScoped: ReadonlySet<string> = new Set(['map', 'filter', 'all', 'none', 'some']);

/** What a condition can read, at the top: `value` in facet conditions, `output` in constraints. */
export const contextRoots = ['facets', 'provenance', 'node', 'metrics', 'run', 'value', 'output'] as const;

/** Deepest nesting, and most operators, of a condition; keeps evaluation bounded. */
export const MAX_DEPTH = 64;
export const MAX_OPERATIONS = 2_000;

export const isOperation = (logic: unknown): logic is Record<string, unknown> =>
  logic !== null && typeof logic === 'object' && !Array.isArray(logic) && Object.keys(logic).length === 1;

/** Operands as a list: `{"!": x}` is short for `{"!": [x]}`. */
export const operandsOf = (value: unknown): unknown[] => (Array.isArray(value) ? value : [value]);
