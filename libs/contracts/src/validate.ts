import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import { definitionOf } from './catalogue.js';
import type { ValidationIssue } from './diagnostic.js';
import { DeltaOperationSchema } from './draft.js';
import { toIssues } from './issues.js';
import { MappingSchema } from './mapping.js';
import { Action } from './policy.js';
import type { TSchema } from './schema.js';

/** Shapes that refer to themselves, known to every validator by name. */
export const namedSchemas: Record<string, TSchema> = {
  Action,
  Mapping: MappingSchema,
  DeltaOperation: DeltaOperationSchema,
};

/**
 * The schemas are our own, and sound (a test holds them against JSON Schema): compiling the meta-schemas first would take
 * longer than all else in the first run.
 */
const sound = {
  discriminator: true,
  strict: false,
  validateFormats: false,
  validateSchema: false,
  meta: false,
} as const;
const ajv = new Ajv2020({ ...sound, allErrors: true, verbose: true });
for (const schema of Object.values(namedSchemas)) ajv.addSchema(schema);

/** First failure ends the judgement: for the hot path, where data is nearly always right. */
const quickAjv = new Ajv2020(sound);
for (const schema of Object.values(namedSchemas)) quickAjv.addSchema(schema);

const compiled = new WeakMap<TSchema, ValidateFunction>();
const bare = (schema: TSchema): TSchema => {
  // A named schema is compiled under no name, so that it may be compiled by itself and inside others.
  const { $id: _id, ...rest } = schema;
  return rest as TSchema;
};

/** The issues of a value against one of our own schemas; empty when it is fine. Compiled once per schema. */
export function issuesOf(schema: TSchema, value: unknown): ValidationIssue[] {
  let validate = compiled.get(schema);
  if (!validate) compiled.set(schema, (validate = ajv.compile(strip(schema))));
  return validate(value) ? [] : toIssues(validate.errors ?? []);
}

const quick = new Map<string, ValidateFunction>();

/** Issues of an event's data against its definition; `type` must be in the catalogue. */
export function validateEvent(type: string, data: unknown): ValidationIssue[] {
  let validate = quick.get(type);
  if (!validate) {
    const definition = definitionOf(type);
    if (!definition) return [{ pointer: '', message: `Unknown event type ${type}` }];
    quick.set(type, (validate = quickAjv.compile(strip(definition.data))));
  }
  return validate(data) ? [] : toIssues(validate.errors ?? []);
}

/** Copies a schema without the names of nested schemas, which would clash when two schemas contain the same part. */
function strip(schema: TSchema): TSchema {
  const walk = (value: unknown, inProperties: boolean): unknown => {
    if (Array.isArray(value)) return value.map((item) => walk(item, false));
    if (value === null || typeof value !== 'object') return value;
    const out: Record<string, unknown> = {};
    for (const [key, inner] of Object.entries(value)) {
      if (key === '$id' && !inProperties) continue;
      out[key] = walk(inner, !inProperties && key === 'properties');
    }
    return out;
  };
  return walk(bare(schema), false) as TSchema;
}

/** Data of a stored form, brought from its version to the current one; the code knows no older versions yet. */
export function upcast(type: string, version: number, data: unknown): unknown {
  const definition = definitionOf(type);
  if (!definition || version > definition.version) throw new UnknownVersion(type, version);
  return data;
}

/** A newer writer than this reader, or a type that is not ours: readers ship before writers. */
export class UnknownVersion extends Error {
  constructor(
    readonly type: string,
    readonly version: number,
  ) {
    super(`This version of the code does not know ${type} version ${version}`);
  }
}
