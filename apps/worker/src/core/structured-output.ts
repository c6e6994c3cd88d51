import type { JsonSchema } from '@flex/contracts';

/** Keywords that endpoints accept under `strict`. */
const STRICT_KEYWORDS = new Set(
  'type properties required additionalProperties items enum const anyOf $ref $defs title description minItems maxItems minimum maximum exclusiveMinimum exclusiveMaximum multipleOf pattern format'.split(
    ' ',
  ),
);

/**
 * Whether a schema may be enforced by the endpoint while it generates: every object closed, every member required, no
 * keyword beyond the supported ones. Any other schema is sent as guidance, and the answer is checked here anyway.
 */
export function isStrict(schema: JsonSchema | undefined): boolean {
  if (schema === undefined || typeof schema === 'boolean') return false;
  if (Object.keys(schema).some((keyword) => !STRICT_KEYWORDS.has(keyword))) return false;
  if (schema['type'] === 'object' || schema['properties']) {
    const properties = (schema['properties'] ?? {}) as Record<string, JsonSchema>;
    const required = new Set((schema['required'] ?? []) as string[]);
    if (schema['additionalProperties'] !== false) return false;
    if (!Object.entries(properties).every(([name, inner]) => required.has(name) && isStrict(inner))) return false;
  }
  if (schema['items'] !== undefined && !isStrict(schema['items'] as JsonSchema)) return false;
  const parts = [...Object.values((schema['$defs'] ?? {}) as object), ...((schema['anyOf'] ?? []) as JsonSchema[])];
  return parts.every((part: JsonSchema) => isStrict(part));
}

/** The JSON object in a model's answer; some wrap it into a code block whatever they are told. */
export function readJson(text: string): Record<string, unknown> | undefined {
  const bare = /^\s*```(?:json)?\s*([\s\S]*?)\s*```\s*$/.exec(text)?.[1] ?? text;
  try {
    const value: unknown = JSON.parse(bare);
    return value !== null && typeof value === 'object' && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : undefined;
  } catch {
    return undefined;
  }
}
