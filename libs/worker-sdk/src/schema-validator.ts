import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import addFormatsModule, { type FormatsPlugin } from 'ajv-formats';
import { toIssues, type JsonSchema, type ValidationIssue } from '@flex/contracts';

const addFormats = ((addFormatsModule as unknown as { default?: FormatsPlugin }).default ??
  addFormatsModule) as unknown as FormatsPlugin;

const REMEMBERED = 2_000;
const compiled = new Map<string, ValidateFunction | undefined>();

function compile(schema: JsonSchema): ValidateFunction | undefined {
  // The registry and the planner have judged it: compiling the meta-schemas for each would take twenty times as long.
  const ajv = new Ajv2020({ strict: false, allErrors: true, validateSchema: false, meta: false, logger: false });
  addFormats(ajv);
  try {
    return ajv.compile(schema);
  } catch {
    // The registry and the planner judge schemas; a worker that can't read one leaves the judgement to them.
    return undefined;
  }
}

/** Schemas that stay: those of facets, which every step of a capability looks at. */
const kept = new WeakMap<object, ValidateFunction | undefined>();

/** Issues of a value against a schema that comes with each step; compiled once per schema text. */
export function issuesAgainst(schema: JsonSchema | undefined, value: unknown): ValidationIssue[] {
  return schema === undefined || schema === true ? [] : judge(validatorOf(schema), value);
}

/** The same for a schema object that is kept: its text is looked at once. */
export function issuesAgainstKept(schema: JsonSchema, value: unknown): ValidationIssue[] {
  if (typeof schema !== 'object') return issuesAgainst(schema, value);
  let validate = kept.get(schema);
  if (!validate && !kept.has(schema)) kept.set(schema, (validate = validatorOf(schema)));
  return judge(validate, value);
}

function validatorOf(schema: JsonSchema): ValidateFunction | undefined {
  const text = JSON.stringify(schema);
  let validate = compiled.get(text);
  if (!validate && !compiled.has(text)) {
    if (compiled.size >= REMEMBERED) compiled.clear();
    compiled.set(text, (validate = compile(schema)));
  }
  return validate;
}

const judge = (validate: ValidateFunction | undefined, value: unknown): ValidationIssue[] =>
  !validate || validate(value) ? [] : toIssues(validate.errors ?? []);
