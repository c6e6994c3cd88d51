import type { JsonSchema } from '@flex/contracts';
import { pointerStep, valueAt } from './json-pointer.js';

/** A place in a schema that can't be carried into another document. */
export interface EmbedProblem {
  readonly pointer: string;
  readonly message: string;
}

/** Keywords whose value is data, not schemas: a `$ref` inside means nothing. */
const DATA_KEYWORDS = new Set(['const', 'enum', 'default', 'examples', 'required', 'dependentRequired']);
/** Keywords that hold schemas by name: the names are not keywords. */
const NAMED_SCHEMAS = new Set(['properties', 'patternProperties', '$defs', 'definitions', 'dependentSchemas']);

/**
 * A schema as part of a larger one: local references point to where the schema now lies (`base`, a JSON pointer), and the
 * identity of the schema as a document of its own is taken off.
 */
export function embedSchema(schema: JsonSchema, base: string): { schema: JsonSchema; problems: EmbedProblem[] } {
  const problems: EmbedProblem[] = [];
  const root = schema;
  const id = typeof schema === 'object' && typeof schema.$id === 'string' ? schema.$id.replace(/#$/, '') : undefined;

  const target = (reference: string, pointer: string): string => {
    const local = id !== undefined && reference.startsWith(`${id}#`) ? reference.slice(id.length) : reference;
    if (local === '#' || local === id) return `#${base}`;
    if (!local.startsWith('#')) {
      problems.push({ pointer, message: `refers to another document, ${reference}` });
      return local;
    }
    const inside = local.startsWith('#/') ? safeDecode(local.slice(1)) : anchorPointer(root, local.slice(1));
    if (inside === undefined || valueAt(root, inside) === undefined) {
      problems.push({ pointer, message: `refers to ${reference}, which doesn't exist` });
      return local;
    }
    return `#${encodeURI(base + inside)}`;
  };

  const walk = (value: unknown, pointer: string, named: boolean): unknown => {
    if (Array.isArray(value)) return value.map((item, at) => walk(item, pointer + pointerStep(at), false));
    if (value === null || typeof value !== 'object') return value;
    const result: Record<string, unknown> = {};
    for (const [key, member] of Object.entries(value)) {
      const at = pointer + pointerStep(key);
      if (named) result[key] = walk(member, at, false);
      else if (key === '$ref' && typeof member === 'string') result[key] = target(member, at);
      else if (key === '$dynamicRef' || key === '$recursiveRef')
        problems.push({ pointer: at, message: `${key} can't be carried into a composed schema` });
      else if (
        key === '$schema' ||
        key === '$id' ||
        key === '$anchor' ||
        key === '$dynamicAnchor' ||
        key === '$comment'
      ) {
        if (key === '$id' && pointer !== '')
          problems.push({ pointer: at, message: 'an $id inside a schema is not supported' });
      } else if (DATA_KEYWORDS.has(key)) result[key] = member;
      else result[key] = walk(member, at, NAMED_SCHEMAS.has(key));
    }
    return result;
  };
  return { schema: walk(schema, '', false) as JsonSchema, problems };
}

function safeDecode(pointer: string): string | undefined {
  try {
    return decodeURIComponent(pointer);
  } catch {
    return undefined;
  }
}

function anchorPointer(value: unknown, anchor: string, pointer = ''): string | undefined {
  if (value === null || typeof value !== 'object') return undefined;
  if ((value as { $anchor?: unknown }).$anchor === anchor) return pointer;
  for (const [key, member] of Object.entries(value)) {
    const found = anchorPointer(member, anchor, pointer + pointerStep(key));
    if (found !== undefined) return found;
  }
  return undefined;
}
