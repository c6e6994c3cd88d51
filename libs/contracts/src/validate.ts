import { Ajv2020, type ErrorObject, type ValidateFunction } from 'ajv/dist/2020.js';
import { definitionOf } from './catalogue.js';
import type { ValidationIssue } from './diagnostic.js';
import { DeltaOperationSchema } from './draft.js';
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
const ajv = new Ajv2020({ ...sound, allErrors: true });
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

/** Ajv's errors as issues: a pointer to the very member at fault, and a sentence. */
export function toIssues(errors: readonly ErrorObject[]): ValidationIssue[] {
  // `if` only repeats that one of its branches failed, which has said so itself.
  const issues = errors
    .filter((error) => error.keyword !== 'if')
    .map((error): ValidationIssue => {
      const params = error.params as Record<string, unknown>;
      switch (error.keyword) {
        case 'additionalProperties':
        case 'unevaluatedProperties': {
          const name = String(params['additionalProperty'] ?? params['unevaluatedProperty']);
          return {
            pointer: `${error.instancePath}/${escape(name)}`,
            message: `unknown field "${name}"`,
            keyword: error.keyword,
          };
        }
        case 'required': {
          const name = String(params['missingProperty']);
          return {
            pointer: `${error.instancePath}/${escape(name)}`,
            message: `"${name}" is required`,
            keyword: error.keyword,
          };
        }
        case 'enum':
          return {
            pointer: error.instancePath,
            message: `must be one of ${(params['allowedValues'] as unknown[]).map((value) => JSON.stringify(value)).join(', ')}`,
            keyword: error.keyword,
          };
        case 'const':
          return {
            pointer: error.instancePath,
            message: `must be ${JSON.stringify(params['allowedValue'])}`,
            keyword: error.keyword,
          };
        default:
          return { pointer: error.instancePath, message: error.message ?? 'is not valid', keyword: error.keyword };
      }
    });
  const seen = new Set<string>();
  return issues.filter((issue) => {
    const key = `${issue.pointer}\n${issue.message}`;
    return seen.has(key) ? false : (seen.add(key), true);
  });
}

const escape = (name: string): string => name.replaceAll('~', '~0').replaceAll('/', '~1');

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
