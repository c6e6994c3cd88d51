import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import addFormatsModule, { type FormatsPlugin } from 'ajv-formats';
import { toIssues, type JsonSchema, type ValidationIssue } from '@flex/contracts';

const addFormats = ((addFormatsModule as unknown as { default?: FormatsPlugin }).default ??
  addFormatsModule) as unknown as FormatsPlugin;

const REMEMBERED = 2_000;
const compiled = new Map<string, ValidateFunction | undefined>();

function compile(schema: JsonSchema): ValidateFunction | undefined {
  const ajv = new Ajv2020({ strict: false, allErrors: true });
  addFormats(ajv);
  try {
    return ajv.compile(schema);
  } catch {
    // The registry and the planner judge schemas; a worker that can't read one leaves the judgement to them.
    return undefined;
  }
}

/** Issues of a value against a schema; compiled once per schema text. */
export function issuesAgainst(schema: JsonSchema | undefined, value: unknown): ValidationIssue[] {
  if (schema === undefined || schema === true) return [];
  const text = JSON.stringify(schema);
  let validate = compiled.get(text);
  if (!validate && !compiled.has(text)) {
    if (compiled.size >= REMEMBERED) compiled.clear();
    compiled.set(text, (validate = compile(schema)));
  }
  if (!validate || validate(value)) return [];
  return toIssues(validate.errors ?? []);
}
