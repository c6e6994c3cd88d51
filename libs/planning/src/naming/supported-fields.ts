/** Enough of a JSON Schema to walk along a value. */
interface Walkable {
  properties?: Record<string, Walkable>;
  items?: Walkable;
  oneOf?: Walkable[];
  anyOf?: Walkable[];
  discriminator?: { propertyName: string };
  const?: unknown;
  $ref?: string;
  else?: Walkable;
}

/**
 * Names of the fields that a schema of ours supports at a pointer into a value; undefined where it does not say.
 * `named` holds the schemas that others refer to by name.
 */
export function supportedFields(
  schema: unknown,
  value: unknown,
  tokens: readonly string[],
  named: Readonly<Record<string, unknown>>,
): string[] | undefined {
  let current = variantOf(schema as Walkable, value, named);
  let inner = value;
  for (const token of tokens) {
    const next: Walkable | undefined = Array.isArray(inner) ? current?.items : current?.properties?.[token];
    inner = inner !== null && typeof inner === 'object' ? (inner as Record<string, unknown>)[token] : undefined;
    current = next && variantOf(next, inner, named);
    if (current === undefined) return undefined;
  }
  return current?.properties === undefined ? undefined : Object.keys(current.properties);
}

/** The alternative that a value means: by its tag, else the first that has fields at all. */
function variantOf(schema: Walkable, value: unknown, named: Readonly<Record<string, unknown>>): Walkable | undefined {
  if (schema.$ref?.startsWith('flex:')) return variantOf(named[schema.$ref.slice(5)] as Walkable, value, named);
  if (schema.else !== undefined) return variantOf(schema.else, value, named);
  const tag = schema.discriminator?.propertyName;
  if (tag !== undefined) {
    const wanted = (value as Record<string, unknown> | null)?.[tag];
    return schema.oneOf?.find((variant) => variant.properties?.[tag]?.const === wanted);
  }
  return schema.properties === undefined && schema.anyOf !== undefined
    ? schema.anyOf.find((variant) => variant.properties !== undefined)
    : schema;
}
