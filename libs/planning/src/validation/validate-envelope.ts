import { issuesOf, namedSchemas, TaskEnvelope as TaskEnvelopeSchema, type RegistrySnapshot, type TaskEnvelope, type ValidationIssue } from '@flex/contracts';
import { compileCondition } from '../conditions/compile-condition.js';
import { escapeToken, pointerTokens } from '../mapping/json-pointer.js';
import { nearestName } from '../naming/nearest-name.js';
import { supportedFields } from '../naming/supported-fields.js';
import { normalizePolicies } from '../policies/normalize-policies.js';
import { desugarPolicies } from '../policies/desugar-policies.js';
import { indexSnapshot } from './snapshot-index.js';

export { envelopeIssues as validateEnvelope };

function envelopeIssues(envelope: unknown, snapshot?: RegistrySnapshot): ValidationIssue[] {
  const issues = shapeIssues(envelope);
  if (issues.length > 0) return issues;
  const sound = envelope as TaskEnvelope;
  return [...conditionIssues(sound), ...(snapshot === undefined ? [] : facetIssues(sound, snapshot))];
}

function shapeIssues(envelope: unknown): ValidationIssue[] {
  return issuesOf(TaskEnvelopeSchema, envelope).map((issue) => {
    if (issue.keyword !== 'additionalProperties') return issue;
    const tokens = pointerTokens(issue.pointer);
    const names = supportedFields(TaskEnvelopeSchema, envelope, tokens.slice(0, -1), namedSchemas);
    if (names === undefined) return issue;
    const meant = nearestName(tokens.at(-1)!, names);
    return { ...issue, message: `${issue.message}; ${meant === undefined ? `supported are ${names.join(', ')}` : `did you mean "${meant}"?`}` };
  });
}

function conditionIssues(_envelope: TaskEnvelope): ValidationIssue[] {
  return [];
}

function facetIssues(_envelope: TaskEnvelope, _snapshot: RegistrySnapshot): ValidationIssue[] {
  return [];
}
void [compileCondition, escapeToken, normalizePolicies, desugarPolicies, indexSnapshot];
