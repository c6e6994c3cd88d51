import { toIssues, type JsonSchema, type ValidationIssue } from '@flex/contracts';
import { Ajv2020, type ErrorObject, type ValidateFunction } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';

export type Validator = (value: unknown) => ValidationIssue[];

/** How many compiled validators are kept; the least recently used goes first. */
const CACHE_SIZE = 2000;
const MAX_ISSUES = 50;

const byIdentity = new WeakMap<object, ValidateFunction>();
const byText = new Map<string, ValidateFunction>();

function newAjv(validateSchema: boolean): Ajv2020 {
  const ajv = new Ajv2020({
    allErrors: true,
    strict: false,
    validateFormats: true,
    logger: false,
    addUsedSchema: false,
    validateSchema,
    meta: validateSchema,
  });
  // The package is CommonJS: under some loaders the function is the module itself, under others its `default`.
  const add = addFormats as unknown as ((target: Ajv2020) => void) & { default?: (target: Ajv2020) => void };
  (add.default ?? add)(ajv);
  return ajv;
}

let judge: Ajv2020 | undefined;

/** Judges schemas themselves; one instance, made on first use, as compiling the meta-schemas is dear. */
function metaSchemas(): Ajv2020 {
  judge ??= newAjv(true);
  return judge;
}

/** Compiles a schema as a document of its own, or throws; equal schemas are compiled once. */
function compiled(schema: JsonSchema): ValidateFunction {
  const known = typeof schema === 'object' ? byIdentity.get(schema) : undefined;
  if (known !== undefined) return known;
  const text = JSON.stringify(schema);
  let validate = byText.get(text);
  // An instance of its own for each: an `$id` in one user's schema can't collide with another's, and dropping one frees it.
  if (validate === undefined) {
    if (metaSchemas().validateSchema(schema) === false) throw new Error(metaSchemas().errorsText());
    validate = newAjv(false).compile(schema);
  }
  byText.delete(text);
  byText.set(text, validate);
  if (byText.size > CACHE_SIZE) byText.delete(byText.keys().next().value!);
  if (typeof schema === 'object') byIdentity.set(schema, validate);
  return validate;
}

/** A cached validator; throws when the schema doesn't compile (`schemaFaults` tells why). */
export function validatorFor(schema: JsonSchema): Validator {
  const validate = compiled(schema);
  return (value) => (validate(value) ? [] : toIssues((validate.errors ?? []).slice(0, MAX_ISSUES)));
}

/** The raw errors, for who maps them back to where a schema came from. */
export function rawErrors(schema: JsonSchema, value: unknown): readonly ErrorObject[] {
  const validate = compiled(schema);
  return validate(value) ? [] : [...(validate.errors ?? [])];
}

/** Accepts or not; for small schemas made on the way. A schema that doesn't compile accepts everything. */
export function quickValidator(schema: JsonSchema): (value: unknown) => boolean {
  try {
    const validate = compiled(schema);
    return (value) => validate(value) === true;
  } catch {
    return () => true;
  }
}

/** Why a schema isn't one: pointers into the schema. Empty when it compiles. */
export function schemaFaults(schema: JsonSchema): ValidationIssue[] {
  if (metaSchemas().validateSchema(schema) === false) {
    return toIssues((metaSchemas().errors ?? []).slice(0, MAX_ISSUES));
  }
  try {
    compiled(schema);
    return [];
  } catch (error) {
    return [{ pointer: '', message: error instanceof Error ? error.message : String(error) }];
  }
}
