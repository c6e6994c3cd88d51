import type { Json, Mapping } from '@flex/contracts';
import { pointerTokens, resolvePointer } from './json-pointer.js';

/**
 * Reshapes data as a mapping says. What is absent stays absent: a `from` without value and without default is
 * undefined, and undefined parts are left out of objects, arrays and concatenations. Never throws.
 *
 * - `each`/`as`: the list that `each` gives, item by item; inside `as` a pointer starts at the item. Undefined when
 *   `each` gives no list.
 * - `concat`: lists are joined into one list (a part that is no list joins as one item); when no part is a list the
 *   parts are joined as text.
 * - `first`: the first part that is defined (`null` is a value).
 */
export function evaluateMapping(mapping: Mapping, context: Record<string, Json>): Json | undefined {
  return evaluate(mapping, context);
}

function evaluate(mapping: Mapping, context: Json): Json | undefined {
  if ('from' in mapping) {
    const value = resolvePointer(context, mapping.from);
    return value === undefined ? mapping.default : value;
  }
  if ('value' in mapping) return mapping.value;
  if ('object' in mapping) {
    const result: Record<string, Json> = {};
    for (const [key, part] of Object.entries(mapping.object)) {
      const value = evaluate(part, context);
      if (value !== undefined) setOwn(result, key, value);
    }
    return result;
  }
  if ('each' in mapping) {
    const items = evaluate(mapping.each, context);
    if (!Array.isArray(items)) return undefined;
    const result: Json[] = [];
    for (const item of items) {
      const value = evaluate(mapping.as, item);
      if (value !== undefined) result.push(value);
    }
    return result;
  }
  if ('array' in mapping) return defined(mapping.array, context);
  if ('concat' in mapping) return concatenate(defined(mapping.concat, context), mapping.concat.length === 0);
  for (const part of mapping.first) {
    const value = evaluate(part, context);
    if (value !== undefined) return value;
  }
  return undefined;
}

function defined(parts: Mapping[], context: Json): Json[] {
  const values: Json[] = [];
  for (const part of parts) {
    const value = evaluate(part, context);
    if (value !== undefined) values.push(value);
  }
  return values;
}

function concatenate(values: Json[], nothingAsked: boolean): Json | undefined {
  if (values.length === 0) return nothingAsked ? [] : undefined;
  if (values.some(Array.isArray)) return values.flat() as Json[];
  return values.map((value) => (typeof value === 'string' ? value : JSON.stringify(value))).join('');
}

/** Assignment that also works for the name `__proto__`, which must become a member like any other. */
function setOwn(target: Record<string, Json>, key: string, value: Json): void {
  if (key === '__proto__')
    Object.defineProperty(target, key, { value, enumerable: true, configurable: true, writable: true });
  else target[key] = value;
}

/** Names of the context's members (facets) that a mapping reads; `''` stands for the context as a whole. */
export function mappingReads(mapping: Mapping): string[] {
  const reads = new Set<string>();
  const walk = (part: Mapping): void => {
    if ('from' in part) reads.add(pointerTokens(part.from)[0] ?? '');
    else if ('object' in part) Object.values(part.object).forEach(walk);
    // Inside `as` pointers start at the item, so only `each` reads the context.
    else if ('each' in part) walk(part.each);
    else if ('array' in part) part.array.forEach(walk);
    else if ('concat' in part) part.concat.forEach(walk);
    else if ('first' in part) part.first.forEach(walk);
  };
  walk(mapping);
  return [...reads];
}
