import type { Json, JsonLogic } from '@flex/contracts';
import { isOperation, MAX_DEPTH, operandsOf } from './operators.js';

/** Operations that one evaluation may take, and the longest text or list that it may build. */
const MAX_STEPS = 200_000;
const MAX_SIZE = 1_000_000;

/** Ends an evaluation that would take too long or grow too large; never leaves this file. */
const exhausted = new Error('condition exhausted');

/**
 * The value of a condition over a context. Total and bounded: what is missing is null, what would take too long is
 * null, and it never throws.
 *
 * Semantics are JSON Logic's, with one difference: an absent (null) operand is contagious. Ordered comparisons with it
 * are false and arithmetic with it is null, where JavaScript would count null as 0 — a policy on
 * `facets.qaFindings.scores.overall < 0.6` must not fire before there are findings. Numbers that are no number
 * are null for the same reason.
 */
export function evaluate(logic: JsonLogic, context: Json): Json {
  try {
    return new Evaluation().run(logic, context, 0);
  } catch (error) {
    if (error === exhausted || error instanceof RangeError) return null;
    throw error;
  }
}

/** Whether a condition holds: JSON Logic's truth, in which empty lists and empty texts are false. */
export const holds = (logic: JsonLogic, context: Json): boolean => truthy(evaluate(logic, context));

export const truthy = (value: Json): boolean => (Array.isArray(value) ? value.length > 0 : Boolean(value));

class Evaluation {
  private steps = 0;
  private built = 0;

  run(logic: Json, data: Json, depth: number): Json {
    if (logic === null || typeof logic !== 'object') return logic;
    if (++this.steps > MAX_STEPS || depth > MAX_DEPTH * 2) throw exhausted;
    if (Array.isArray(logic)) return logic.map((item) => this.run(item, data, depth + 1));
    if (!isOperation(logic)) return logic;
    const op = Object.keys(logic)[0]!;
    const raw = logic[op] as Json;
    const args = operandsOf(raw) as Json[];
    const at = (index: number): Json => {
      const arg = args[index];
      return arg === undefined ? null : this.run(arg, data, depth + 1);
    };
    switch (op) {
      case 'var': {
        const value = lookup(data, at(0));
        return value === undefined || value === null ? at(1) : value;
      }
      case 'exists': {
        const arg = args[0];
        const path = isOperation(arg) && 'var' in arg ? (operandsOf(arg['var'])[0] as Json) : (arg ?? null);
        const value = lookup(data, path);
        return value !== undefined && value !== null;
      }
      case 'missing':
        return this.missing(
          args.length === 1 && Array.isArray(at(0)) ? (at(0) as Json[]) : args.map((_, i) => at(i)),
          data,
        );
      case 'missing_some': {
        const names = at(1);
        const list = Array.isArray(names) ? names : [names];
        const absent = this.missing(list, data);
        return list.length - absent.length >= Number(at(0)) ? [] : absent;
      }
      case 'if':
      case '?:': {
        let index = 0;
        for (; index + 1 < args.length; index += 2) if (truthy(at(index))) return at(index + 1);
        return index < args.length ? at(index) : null;
      }
      case 'and':
      case 'or': {
        let value: Json = null;
        for (let index = 0; index < args.length; index++) {
          value = at(index);
          if (truthy(value) === (op === 'or')) return value;
        }
        return value;
      }
      case '!':
        return !truthy(at(0));
      case '!!':
        return truthy(at(0));
      case '==':
        return looselyEqual(at(0), at(1));
      case '!=':
        return !looselyEqual(at(0), at(1));
      case '===':
        return strictlyEqual(at(0), at(1));
      case '!==':
        return !strictlyEqual(at(0), at(1));
      case '<':
      case '<=':
      case '>':
      case '>=':
        return args.length < 3 ? ordered(op, at(0), at(1)) : ordered(op, at(0), at(1)) && ordered(op, at(1), at(2));
      case 'max':
      case 'min': {
        const numbers = args
          .map((_, index) => at(index))
          .filter((value) => value !== null)
          .map(toNumber);
        return numbers.length === 0 ? null : finite(op === 'max' ? Math.max(...numbers) : Math.min(...numbers));
      }
      case '+':
      case '-':
      case '*':
      case '/':
      case '%':
        return arithmetic(
          op,
          args.map((_, index) => at(index)),
        );
      case 'map':
      case 'filter':
      case 'all':
      case 'none':
      case 'some':
        return this.quantify(op, at(0), args[1] ?? null, depth);
      case 'reduce': {
        const list = at(0);
        let accumulator = at(2);
        if (!Array.isArray(list)) return accumulator;
        for (const current of list) accumulator = this.run(args[1] ?? null, { current, accumulator }, depth + 1);
        return accumulator;
      }
      case 'merge': {
        const merged = args.map((_, index) => at(index)).flat() as Json[];
        this.grow(merged.length);
        return merged;
      }
      case 'in': {
        const [needle, stack] = [at(0), at(1)];
        if (typeof stack === 'string') return needle !== null && stack.includes(toText(needle));
        return Array.isArray(stack) && stack.some((item) => strictlyEqual(item, needle));
      }
      case 'cat': {
        const text = args.map((_, index) => toText(at(index))).join('');
        this.grow(text.length);
        return text;
      }
      case 'substr':
        return substr(toText(at(0)), toNumber(at(1)), args.length > 2 ? toNumber(at(2)) : undefined);
      case 'length': {
        const value = at(0);
        if (typeof value === 'string' || Array.isArray(value)) return value.length;
        return value !== null && typeof value === 'object' ? Object.keys(value).length : 0;
      }
      case 'startsWith':
      case 'endsWith': {
        const [text, part] = [at(0), at(1)];
        if (typeof text !== 'string' || typeof part !== 'string') return false;
        return op === 'startsWith' ? text.startsWith(part) : text.endsWith(part);
      }
      default:
        // Conditions are compiled before they are stored, so this one was not; it holds for nothing.
        return null;
    }
  }

  private quantify(op: 'map' | 'filter' | 'all' | 'none' | 'some', list: Json, body: Json, depth: number): Json {
    const items = Array.isArray(list) ? list : [];
    const test = (item: Json) => truthy(this.run(body, item, depth + 1));
    switch (op) {
      case 'map':
        return items.map((item) => this.run(body, item, depth + 1));
      case 'filter':
        return items.filter(test);
      case 'some':
        return items.some(test);
      case 'none':
        return !items.some(test);
      case 'all':
        // As in JSON Logic, nothing is true of all members of an empty list.
        return items.length > 0 && items.every(test);
    }
  }

  private missing(names: Json[], data: Json): Json[] {
    return names.filter((name) => {
      const value = lookup(data, name);
      return value === undefined || value === null || value === '';
    });
  }

  private grow(size: number): void {
    this.built += size;
    if (this.built > MAX_SIZE) throw exhausted;
  }
}

function lookup(data: Json, path: Json): Json | undefined {
  if (path === '' || path === null) return data;
  if (typeof path !== 'string' && typeof path !== 'number') return undefined;
  let current: Json | undefined = data;
  for (const segment of String(path).split('.')) {
    if (current === null || typeof current !== 'object' || !Object.hasOwn(current, segment)) return undefined;
    // Lists have an own `length`, which is no data.
    if (Array.isArray(current) && segment === 'length') return undefined;
    current = (current as Record<string, Json>)[segment];
  }
  return current;
}

/** What JavaScript would make of an object or list in a comparison, without calling anything that data may shadow. */
const toPrimitive = (value: Json): null | boolean | number | string =>
  Array.isArray(value)
    ? value.map(toText).join(',')
    : value !== null && typeof value === 'object'
      ? '[object Object]'
      : value;

const toText = (value: Json): string => (value === null ? '' : String(toPrimitive(value)));

const toNumber = (value: Json): number => (value === null ? NaN : Number(toPrimitive(value)));

/** JSON knows neither infinities nor a negative zero. */
const finite = (value: number): number | null => (Number.isFinite(value) ? value + 0 : null);

function strictlyEqual(a: Json, b: Json): boolean {
  return a === b;
}

function looselyEqual(a: Json, b: Json): boolean {
  if (a === null || b === null) return a === b;
  const [objectA, objectB] = [typeof a === 'object', typeof b === 'object'];
  if (objectA && objectB) return a === b;
  // eslint-disable-next-line eqeqeq -- JSON Logic's == is JavaScript's
  return toPrimitive(a) == toPrimitive(b);
}

function ordered(op: '<' | '<=' | '>' | '>=', a: Json, b: Json): boolean {
  if (a === null || b === null) return false;
  const [x, y] = [toPrimitive(a)!, toPrimitive(b)!];
  switch (op) {
    case '<':
      return x < y;
    case '<=':
      return x <= y;
    case '>':
      return x > y;
    case '>=':
      return x >= y;
  }
}

function arithmetic(op: '+' | '-' | '*' | '/' | '%', values: Json[]): number | null {
  if (values.some((value) => value === null)) return null;
  const numbers = values.map((value) =>
    op === '+' || op === '*' ? Number.parseFloat(toText(value)) : toNumber(value),
  );
  const [first, second] = numbers as [number, number | undefined];
  if (op === '+') return finite(numbers.reduce((sum, value) => sum + value, 0));
  if (op === '*') return finite(numbers.reduce((product, value) => product * value, 1));
  if (second === undefined) return op === '-' ? finite(-first) : null;
  return finite(op === '-' ? first - second : op === '/' ? first / second : first % second);
}

function substr(text: string, start: number, length?: number): string {
  if (length !== undefined && length < 0) {
    const rest = start < 0 ? text.slice(start) : text.slice(start);
    return rest.slice(0, rest.length + length < 0 ? 0 : rest.length + length);
  }
  const from = start < 0 ? Math.max(0, text.length + start) : start;
  return text.slice(from, length === undefined ? undefined : from + length);
}
