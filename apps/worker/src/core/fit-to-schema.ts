import type { Json, JsonSchema } from '@flex/contracts';
import { cut } from './words.js';

const MAX_DEPTH = 12;

/**
 * Makes a value satisfy a schema, as far as that is possible without inventing: members that are missing are filled,
 * texts, numbers and lists brought within their bounds, members that are not allowed left out. The deterministic agents
 * speak the catalogue's facets; this lets them follow a node's stricter schema, or a changed catalogue.
 */
export function fitToSchema(value: Json | undefined, schema: JsonSchema | undefined, depth = 0): Json {
  if (schema === undefined || typeof schema === 'boolean' || depth > MAX_DEPTH) return value ?? null;
  let fitted = value;
  for (const part of listOf(schema['allOf'])) fitted = fitToSchema(fitted, part, depth + 1);
  if (schema['const'] !== undefined) return schema['const'] as Json;
  const allowed = schema['enum'] as Json[] | undefined;
  if (allowed && !allowed.some((one) => one === fitted)) return allowed[0] ?? null;
  const choices = listOf(schema['anyOf'] ?? schema['oneOf']);
  if (choices.length > 0 && !schema['type']) return fitToSchema(fitted, choices[0], depth + 1);
  switch (typeOf(schema, fitted)) {
    case 'object':
      return fitObject(fitted, schema, depth);
    case 'array':
      return fitArray(fitted, schema, depth);
    case 'string':
      return fitString(fitted, schema);
    case 'integer':
      return fitNumber(fitted, schema, true);
    case 'number':
      return fitNumber(fitted, schema, false);
    case 'boolean':
      return typeof fitted === 'boolean' ? fitted : false;
    case 'null':
      return null;
    default:
      return fitted ?? null;
  }
}

const listOf = (value: unknown): JsonSchema[] => (Array.isArray(value) ? (value as JsonSchema[]) : []);

function typeOf(schema: Record<string, unknown>, value: Json | undefined): string | undefined {
  const { type } = schema;
  if (Array.isArray(type)) return (type as string[]).find((one) => isOf(one, value)) ?? (type[0] as string);
  if (typeof type === 'string') return type;
  if (schema['properties'] || schema['required']) return 'object';
  return schema['items'] ? 'array' : undefined;
}

const isOf = (type: string, value: Json | undefined): boolean => {
  if (type === 'array') return Array.isArray(value);
  if (type === 'null') return value === null;
  if (type === 'integer') return Number.isInteger(value);
  if (type === 'object') return value !== null && typeof value === 'object' && !Array.isArray(value);
  return typeof value === type;
};

function fitObject(value: Json | undefined, schema: Record<string, unknown>, depth: number): Json {
  const given = isOf('object', value) ? (value as Record<string, Json>) : {};
  const properties = (schema['properties'] ?? {}) as Record<string, JsonSchema>;
  const required = new Set((schema['required'] ?? []) as string[]);
  const out: Record<string, Json> = {};
  for (const [name, inner] of Object.entries(given)) {
    if (name in properties) out[name] = fitToSchema(inner, properties[name], depth + 1);
    else if (schema['additionalProperties'] !== false) out[name] = inner;
  }
  for (const name of required) if (!(name in out)) out[name] = fitToSchema(undefined, properties[name], depth + 1);
  return out;
}

function fitArray(value: Json | undefined, schema: Record<string, unknown>, depth: number): Json {
  const items = schema['items'] as JsonSchema | undefined;
  const given = Array.isArray(value) ? value : value === undefined || value === null ? [] : [value];
  const { minItems = 0, maxItems = Number.POSITIVE_INFINITY } = schema as { minItems?: number; maxItems?: number };
  const out = given.slice(0, maxItems).map((item) => fitToSchema(item, items, depth + 1));
  while (out.length < minItems) out.push(fitToSchema(out[0] ?? undefined, items, depth + 1));
  return out;
}

function fitString(value: Json | undefined, schema: Record<string, unknown>): Json {
  const { minLength = 0, maxLength } = schema as { minLength?: number; maxLength?: number };
  let text = typeof value === 'string' ? value : value === undefined || value === null ? '' : JSON.stringify(value);
  if (text === '' && minLength > 0) text = typeof schema['title'] === 'string' ? schema['title'] : '–';
  if (text.length < minLength) text = text.padEnd(minLength, '.');
  return maxLength === undefined ? text : cut(text, maxLength);
}

function fitNumber(value: Json | undefined, schema: Record<string, unknown>, whole: boolean): Json {
  const bounds = schema as { minimum?: number; maximum?: number; exclusiveMinimum?: number; exclusiveMaximum?: number };
  let number = typeof value === 'number' ? value : 0;
  if (whole) number = Math.round(number);
  if (bounds.minimum !== undefined) number = Math.max(number, bounds.minimum);
  if (bounds.maximum !== undefined) number = Math.min(number, bounds.maximum);
  const step = whole ? 1 : 1e-6;
  if (bounds.exclusiveMinimum !== undefined && number <= bounds.exclusiveMinimum)
    number = bounds.exclusiveMinimum + step;
  if (bounds.exclusiveMaximum !== undefined && number >= bounds.exclusiveMaximum)
    number = bounds.exclusiveMaximum - step;
  return number;
}
