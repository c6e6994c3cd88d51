import {
  issuesOf,
  namedSchemas,
  TaskEnvelope as TaskEnvelopeSchema,
  type RegistrySnapshot,
  type TaskEnvelope,
  type ValidationIssue,
} from '@flex/contracts';
import { compileCondition } from '../conditions/compile-condition.js';
import { unsafeSchema } from '../facets/pattern-safety.js';
import { schemaFaults, validatorFor } from '../facets/validators.js';
import { escapeToken, pointerTokens } from '../mapping/json-pointer.js';
import { nearestName } from '../naming/nearest-name.js';
import { supportedFields } from '../naming/supported-fields.js';
import { normalizePolicies } from '../policies/normalize-policies.js';
import { facetObject } from './facet-schemas.js';
import { indexSnapshot } from './snapshot-index.js';

/**
 * What is wrong with an envelope before anything is planned, with pointers into it: its shape, its policies, the
 * contract's schema, conditions that do not compile, and, given the registry, facets that do not exist and inputs that break
 * their facet's schema. Empty when it can be submitted.
 */
export function validateEnvelope(envelope: unknown, snapshot?: RegistrySnapshot): ValidationIssue[] {
  const shape = shapeIssues(envelope);
  if (shape.length > 0) return shape;
  const sound = envelope as TaskEnvelope;
  return [
    ...contractIssues(sound, snapshot),
    ...conditionIssues(sound),
    ...(snapshot === undefined ? [] : inputIssues(sound, snapshot)),
  ];
}

function shapeIssues(envelope: unknown): ValidationIssue[] {
  return issuesOf(TaskEnvelopeSchema, envelope)
    .filter(({ pointer }) => !pointer.startsWith('/policies/'))
    .concat(isRecord(envelope) && envelope['policies'] !== undefined ? policyIssues(envelope as TaskEnvelope) : [])
    .map((issue) => {
      if (issue.keyword !== 'additionalProperties') return issue;
      const tokens = pointerTokens(issue.pointer);
      const names = supportedFields(TaskEnvelopeSchema, envelope, tokens.slice(0, -1), namedSchemas);
      if (names === undefined) return issue;
      const meant = nearestName(tokens.at(-1)!, names);
      return {
        ...issue,
        message: `${issue.message}; ${meant === undefined ? `supported are ${names.join(', ')}` : `did you mean "${meant}"?`}`,
      };
    });
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  value !== null && typeof value === 'object' && !Array.isArray(value);

/** The normaliser's findings: it knows better than a schema what a policy could have meant. */
function policyIssues({ policies, outputContract }: TaskEnvelope): ValidationIssue[] {
  if (policies === undefined) return [];
  return normalizePolicies(policies, { outputContract })
    .diagnostics.filter(({ severity }) => severity === 'error')
    .map(({ pointer, message, suggestion, code }) => ({
      pointer: `/policies${pointer ?? ''}`,
      message: suggestion === undefined ? message : `${message}. ${suggestion}`,
      keyword: code,
    }));
}

function contractIssues({ outputContract }: TaskEnvelope, snapshot: RegistrySnapshot | undefined): ValidationIssue[] {
  if (outputContract.mode === 'json_schema') {
    const unsafe = unsafeSchema(outputContract.schema, '/outputContract/schema');
    if (unsafe.length > 0) return unsafe;
    return schemaFaults(outputContract.schema).map((fault) => ({
      ...fault,
      pointer: `/outputContract/schema${fault.pointer}`,
      message: `is not a valid JSON Schema: ${fault.message}`,
    }));
  }
  if (outputContract.mode !== 'facets' || snapshot === undefined) return [];
  const unknown = outputContract.facets.flatMap((facet, at) =>
    unknownFacet(facet, `/outputContract/facets/${at}`, snapshot),
  );
  if (unknown.length > 0) return unknown;
  return facetObject(snapshot, outputContract.facets, [], 'bidirectional').errors.map(({ message, facet, code }) => ({
    pointer: `/outputContract/facets/${outputContract.facets.indexOf(facet!)}`,
    message,
    keyword: code,
    facet,
  }));
}

function unknownFacet(facet: string, pointer: string, snapshot: RegistrySnapshot): ValidationIssue[] {
  if (snapshot.facets.has(facet)) return [];
  const [meant] = indexSnapshot(snapshot).nearestFacet(facet);
  return [
    {
      pointer,
      message: `There is no facet "${facet}"${meant === undefined ? '' : `; did you mean "${meant}"?`}`,
      keyword: 'UNKNOWN_FACET',
      facet,
    },
  ];
}

function conditionIssues({ goalConditions, outputContract }: TaskEnvelope): ValidationIssue[] {
  const issues: ValidationIssue[] = [];
  const check = (condition: Parameters<typeof compileCondition>[0], pointer: string, roots?: 'any'): void => {
    const compiled = compileCondition(condition, roots === undefined ? {} : { roots });
    if (compiled.ok) return;
    const place = typeof condition === 'string' ? ` (line ${compiled.line}, column ${compiled.column})` : '';
    issues.push({
      pointer: pointer + compiled.pointer,
      message: `${compiled.message}${place}`,
      keyword: 'CONDITION_INVALID',
    });
  };
  goalConditions?.forEach(({ condition }, at) => check(condition, `/goalConditions/${at}/condition`));
  const seen = new Set<string>();
  outputContract.constraints?.forEach(({ constraintId, expr }, at) => {
    check(expr, `/outputContract/constraints/${at}/expr`, 'any');
    if (seen.has(constraintId))
      issues.push({
        pointer: `/outputContract/constraints/${at}/constraintId`,
        message: `Two constraints have the id ${constraintId}`,
      });
    seen.add(constraintId);
  });
  return issues;
}

/** Inputs that belong to a facet must be what the facet says; free inputs may be anything. */
function inputIssues({ inputs, goalConditions }: TaskEnvelope, snapshot: RegistrySnapshot): ValidationIssue[] {
  const issues = (goalConditions ?? []).flatMap(({ facet }, at) =>
    unknownFacet(facet, `/goalConditions/${at}/facet`, snapshot),
  );
  const index = indexSnapshot(snapshot);
  for (const [key, value] of Object.entries(inputs ?? {})) {
    const facet = index.facetOfInput(key);
    if (facet === undefined) {
      const [meant] = index.nearestFacet(key);
      // A free input is fine; one that is nearly a facet's name would be lost without a word.
      if (meant !== undefined && meant.toLowerCase() === key.toLowerCase())
        issues.push(...unknownFacet(key, `/inputs/${escapeToken(key)}`, snapshot));
      continue;
    }
    const { schema, keys, errors } = facetObject(snapshot, [facet.name], [], 'bidirectional');
    if (errors.length > 0) continue;
    const name = keys?.[facet.name] ?? facet.name;
    for (const issue of validatorFor(schema)({ [name]: value })) {
      const inside = issue.pointer.slice(1 + escapeToken(name).length);
      issues.push({
        ...issue,
        pointer: `/inputs/${escapeToken(key)}${inside}`,
        facet: facet.name,
        ...(facet.title === undefined ? {} : { title: facet.title }),
      });
    }
  }
  return issues;
}
