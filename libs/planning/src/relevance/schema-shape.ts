import type { JsonSchema } from '@flex/contracts';
import { valueAt } from '../facets/json-pointer.js';

/** What a schema says about structure, with references followed and `allOf` merged. */
export interface Shape {
  /** Empty: any. */
  readonly types: ReadonlySet<string>;
  readonly properties: ReadonlyMap<string, Shape>;
  readonly required: ReadonlySet<string>;
  readonly items?: Shape;
  readonly closed: boolean;
  readonly values?: readonly unknown[];
  readonly minItems?: number;
  readonly maxItems?: number;
}

const ANY: Shape = { types: new Set(), properties: new Map(), required: new Set(), closed: false };
const MAX_DEPTH = 10;

export function shapeOf(schema: JsonSchema, root: JsonSchema = schema): Shape {
  return merged(schema, root, 0);
}

function merged(schema: unknown, root: JsonSchema, depth: number): Shape {
  if (schema === null || typeof schema !== 'object' || depth > MAX_DEPTH) return ANY;
  const parts = flatten(schema as Record<string, unknown>, root);
  let types: Set<string> | undefined;
  const properties = new Map<string, unknown[]>();
  const required = new Set<string>();
  const items: unknown[] = [];
  let closed = false;
  let values: readonly unknown[] | undefined;
  let minItems: number | undefined;
  let maxItems: number | undefined;
  for (const part of parts) {
    const own = typesOf(part);
    if (own !== undefined) types = new Set(types === undefined ? own : [...types].filter((type) => own.has(type)));
    for (const [name, property] of Object.entries((part.properties as object | undefined) ?? {}))
      properties.set(name, [...(properties.get(name) ?? []), property]);
    if (Array.isArray(part.required)) for (const name of part.required as string[]) required.add(name);
    if (part.items !== undefined) items.push(part.items);
    else if (Array.isArray(part.prefixItems)) items.push(part.prefixItems[0]);
    if (part.additionalProperties === false) closed = true;
    if (Array.isArray(part.enum)) values = part.enum as unknown[];
    if ('const' in part) values = [part.const];
    if (typeof part.minItems === 'number') minItems = Math.max(minItems ?? 0, part.minItems);
    if (typeof part.maxItems === 'number') maxItems = Math.min(maxItems ?? Infinity, part.maxItems);
  }
  const nested = (schemas: unknown[]): Shape =>
    merged(schemas.length === 1 ? schemas[0] : { allOf: schemas }, root, depth + 1);
  return {
    types: types ?? new Set(),
    properties: new Map([...properties].map(([name, schemas]) => [name, nested(schemas)])),
    required,
    closed,
    ...(items.length > 0 ? { items: nested(items) } : {}),
    ...(values === undefined ? {} : { values }),
    ...(minItems === undefined ? {} : { minItems }),
    ...(maxItems === undefined ? {} : { maxItems }),
  };
}

/** The schema itself and all that it includes by reference or `allOf`; of alternatives the first that isn't null. */
function flatten(schema: Record<string, unknown>, root: JsonSchema): Record<string, unknown>[] {
  const parts: Record<string, unknown>[] = [];
  const seen = new Set<unknown>();
  const queue: unknown[] = [schema];
  for (const part of queue) {
    if (part === null || typeof part !== 'object' || seen.has(part) || seen.size > 200) continue;
    seen.add(part);
    const keywords = part as Record<string, unknown>;
    parts.push(keywords);
    if (typeof keywords.$ref === 'string' && keywords.$ref.startsWith('#'))
      queue.push(valueAt(root, decodeURI(keywords.$ref.slice(1))));
    if (Array.isArray(keywords.allOf)) queue.push(...(keywords.allOf as unknown[]));
    const alternatives = (keywords.anyOf ?? keywords.oneOf) as Record<string, unknown>[] | undefined;
    if (Array.isArray(alternatives)) queue.push(alternatives.find((one) => one?.type !== 'null') ?? alternatives[0]);
  }
  return parts;
}

function typesOf(part: Record<string, unknown>): Set<string> | undefined {
  const { type } = part;
  if (typeof type === 'string') return new Set([type]);
  if (Array.isArray(type)) return new Set(type as string[]);
  if (part.properties !== undefined) return new Set(['object']);
  if (part.items !== undefined || part.prefixItems !== undefined) return new Set(['array']);
  return undefined;
}
