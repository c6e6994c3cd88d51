import type { ErrorObject } from 'ajv/dist/2020.js';
import type { ValidationIssue } from './diagnostic.js';

/** Ajv's errors as issues: a pointer to the very member at fault, and a sentence. */
export function toIssues(errors: readonly ErrorObject[]): ValidationIssue[] {
  const issues = errors.filter((error) => !repeats(error, errors)).map(toIssue);
  const seen = new Set<string>();
  return issues.filter((issue) => {
    const key = `${issue.pointer}\n${issue.message}`;
    return seen.has(key) ? false : (seen.add(key), true);
  });
}

/** `if` and `anyOf` only say that a branch failed, which has said so itself. */
function repeats({ keyword, instancePath }: ErrorObject, errors: readonly ErrorObject[]): boolean {
  if (keyword === 'if') return true;
  return (
    keyword === 'anyOf' &&
    errors.some((other) => other.keyword !== 'anyOf' && other.instancePath.startsWith(instancePath))
  );
}

/** One of them. */
export function toIssue(error: ErrorObject): ValidationIssue {
  const { keyword, instancePath } = error;
  const params = error.params as Record<string, unknown>;
  const at = (message: string, name?: string): ValidationIssue => ({
    pointer: name === undefined ? instancePath : `${instancePath}/${escape(name)}`,
    message,
    keyword,
  });
  switch (keyword) {
    case 'additionalProperties':
    case 'unevaluatedProperties': {
      const name = String(params['additionalProperty'] ?? params['unevaluatedProperty']);
      return at(`unknown field "${name}"`, name);
    }
    case 'required': {
      const name = String(params['missingProperty']);
      return at(`"${name}" is required`, name);
    }
    case 'enum':
      return at(oneOf(params['allowedValues'] as unknown[]));
    case 'const':
      return at(`must be ${JSON.stringify(params['allowedValue'])}`);
    case 'discriminator': {
      const tag = String(params['tag']);
      const values = tagValues(error, tag);
      return at(values ? oneOf(values) : `"${tag}" is none of those that there are`, tag);
    }
    case 'type':
      return at(`must be ${[params['type']].flat().join(' or ')}`);
    case 'minLength':
    case 'minItems':
      return at(params['limit'] === 1 ? 'must not be empty' : `must have at least ${count(error)}`);
    case 'maxLength':
    case 'maxItems':
      return at(`must have at most ${count(error)}`);
    case 'pattern': {
      const { description } = (error.parentSchema ?? {}) as { description?: string };
      return at(`must match pattern "${String(params['pattern'])}"${description ? ` (${description})` : ''}`);
    }
    default:
      return at(error.message ?? 'is not valid');
  }
}

const oneOf = (values: readonly unknown[]): string =>
  `must be one of ${values.map((value) => JSON.stringify(value)).join(', ')}`;

function count({ keyword, params }: ErrorObject): string {
  const { limit } = params as { limit: number };
  return `${limit} ${keyword.endsWith('Items') ? 'item' : 'character'}${limit === 1 ? '' : 's'}`;
}

/** The values that tell the branches apart; undefined where the validator does not hand out its schema. */
function tagValues({ parentSchema }: ErrorObject, tag: string): unknown[] | undefined {
  const branches = (parentSchema?.['oneOf'] ?? []) as { properties?: Record<string, { const?: unknown }> }[];
  const values = branches.map((branch) => branch.properties?.[tag]?.const);
  return values.length > 0 && !values.includes(undefined) ? values : undefined;
}

const escape = (name: string): string => name.replaceAll('~', '~0').replaceAll('/', '~1');
