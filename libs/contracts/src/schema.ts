import { Type, type Static, type TSchema } from '@sinclair/typebox';

/** Any JSON value; what travels in facets, inputs and outputs. */
export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** A JSON Schema (draft 2020-12) as data: users supply these, so nothing more is known of them at compile time. */
export type JsonSchema = boolean | { [keyword: string]: unknown };

export const JsonValue = Type.Unsafe<Json>({});
export const JsonObject = Type.Unsafe<{ [key: string]: Json }>({ type: 'object' });
export const JsonSchemaValue = Type.Unsafe<JsonSchema>({ type: ['object', 'boolean'] });

/** An object whose unknown members are errors: everything a user writes. */
export const Closed = <P extends Record<string, TSchema>>(properties: P, options: Record<string, unknown> = {}) =>
  Type.Object(properties, { additionalProperties: false, ...options });

/** An object that tolerates unknown members: everything stored, so that older readers survive newer writers. */
export const Open = <P extends Record<string, TSchema>>(properties: P, options: Record<string, unknown> = {}) =>
  Type.Object(properties, options);

/** A union of string constants as `enum`, which gives better error messages than `anyOf`. */
export const Enum = <T extends readonly string[]>(values: T, options: Record<string, unknown> = {}) =>
  Type.Unsafe<T[number]>({ type: 'string', enum: [...values], ...options });

/** A union told apart by a constant member: validators look only at the variant that the tag names. */
export const Tagged = <V extends TSchema[]>(tag: string, variants: [...V], options: Record<string, unknown> = {}) =>
  Type.Unsafe<Static<V[number]>>({
    type: 'object',
    discriminator: { propertyName: tag },
    required: [tag],
    oneOf: variants,
    ...options,
  });

/** A reference to a schema registered under a name in `namedSchemas`; needed for recursive shapes. */
export const Ref = <T>(name: string) => Type.Unsafe<T>({ $ref: `flex:${name}` });

export const Name = (description: string) =>
  Type.String({ minLength: 1, maxLength: 128, pattern: '^[A-Za-z][A-Za-z0-9_-]*$', description });

/** Dotted name, `agent.skill`; also a suffix of bus subjects, so its alphabet is narrow. */
export const CapabilityId = Type.String({
  minLength: 1,
  maxLength: 160,
  pattern: '^[A-Za-z0-9_-]+(\\.[A-Za-z0-9_-]+)*$',
  description: 'Dotted name of a capability: agent.skill',
});

export const Tenant = Type.String({ minLength: 1, maxLength: 63, pattern: '^[a-z0-9][a-z0-9-]*$' });

/** Identity of a node: stable across plan versions. */
export const NodeId = Type.String({ minLength: 1, maxLength: 200, pattern: '^[A-Za-z0-9_.:@/-]+$' });

export const Uint = Type.Integer({ minimum: 0 });
export const Positive = Type.Integer({ minimum: 1 });

export { Type };
export type { Static, TSchema };
