import type { JsonSchema, Mapping } from '@flex/contracts';

type Shape = { [keyword: string]: unknown };

const asShape = (schema: unknown): Shape | undefined =>
  schema !== null && typeof schema === 'object' && !Array.isArray(schema) ? (schema as Shape) : undefined;

/** Follows a reference inside the document; other references stay as they are. */
export function deref(schema: unknown, root: JsonSchema): unknown {
  let current = schema;
  for (let hops = 0; hops < 20; hops++) {
    const ref = asShape(current)?.['$ref'];
    if (typeof ref !== 'string' || !ref.startsWith('#')) return current;
    let target: unknown = root;
    for (const token of ref.slice(1).split('/').filter(Boolean)) target = asShape(target)?.[decodeURIComponent(token).replaceAll('~1', '/').replaceAll('~0', '~')];
    if (target === undefined) return current;
    current = target;
  }
  return current;
}

const typesOf = (shape: Shape): string[] => {
  if (typeof shape['type'] === 'string') return [shape['type']];
  if (Array.isArray(shape['type'])) return shape['type'] as string[];
  if (shape['properties'] !== undefined || shape['required'] !== undefined) return ['object'];
  if (shape['items'] !== undefined || shape['prefixItems'] !== undefined) return ['array'];
  if (Array.isArray(shape['enum'])) return [...new Set((shape['enum'] as unknown[]).map(typeOf))];
  return shape['const'] === undefined ? [] : [typeOf(shape['const'])];
};

const typeOf = (value: unknown): string => (value === null ? 'null' : Array.isArray(value) ? 'array' : typeof value);

export const propertiesOf = (schema: unknown): Record<string, unknown> => asShape(asShape(schema)?.['properties']) ?? {};
export const requiredOf = (schema: unknown): string[] => {
  const required = asShape(schema)?.['required'];
  return Array.isArray(required) ? (required as string[]) : [];
};

/**
 * How data of one shape becomes data of another: the mapping, and whether it is the identity; undefined when the shapes
 * have too little in common. Only names and types are compared: values are validated when there are any.
 */
export function reshape(from: string, source: unknown, sourceRoot: JsonSchema, target: unknown, targetRoot: JsonSchema): { mapping: Mapping; same: boolean } | undefined {
  return walk(from, source, sourceRoot, target, targetRoot, 0);
}

function walk(from: string, rawSource: unknown, sourceRoot: JsonSchema, rawTarget: unknown, targetRoot: JsonSchema, depth: number): { mapping: Mapping; same: boolean } | undefined {
  const identity = { mapping: { from } as Mapping, same: true };
  const source = asShape(deref(rawSource, sourceRoot));
  const target = asShape(deref(rawTarget, targetRoot));
  if (target === undefined || Object.keys(target).length === 0 || source === undefined || depth > 12) return identity;
  const [has, wants] = [typesOf(source), typesOf(target)];
  if (has.length === 0 || wants.length === 0) return identity;
  if (!has.some((type) => wants.includes(type) || (type === 'integer' && wants.includes('number')) || (type === 'number' && wants.includes('integer')))) return undefined;
  if (wants.includes('array') && has.includes('array')) {
    const inner = walk('', source['items'], sourceRoot, target['items'], targetRoot, depth + 1);
    if (inner === undefined || inner.same) return inner && identity;
    return { mapping: { each: { from }, as: inner.mapping }, same: false };
  }
  if (!wants.includes('object') || !has.includes('object')) return identity;
  const [given, asked] = [propertiesOf(source), propertiesOf(target)];
  const object: Record<string, Mapping> = {};
  let same = target['additionalProperties'] !== false || Object.keys(given).every((name) => name in asked);
  for (const [name, part] of Object.entries(asked)) {
    if (!(name in given)) {
      if (requiredOf(target).includes(name) && Object.keys(given).length > 0) return undefined;
      continue;
    }
    const inner = walk(`${from}/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`, given[name], sourceRoot, part, targetRoot, depth + 1);
    if (inner === undefined) return undefined;
    object[name] = inner.mapping;
    same &&= inner.same;
  }
  if (same) return identity;
  return Object.keys(object).length > 0 ? { mapping: { object }, same: false } : undefined;
}
