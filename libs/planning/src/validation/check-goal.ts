import type { Condition, TaskEnvelope } from '@flex/contracts';
import { compileCondition } from '../conditions/compile-condition.js';
import { schemaFaults } from '../facets/validators.js';
import type { Findings } from './findings.js';

/** What of the envelope's goal can be judged before anything ran: the conditions compile, and what they read can come. */
export function checkGoal(envelope: TaskEnvelope, canHave: (facet: string) => boolean, findings: Findings): void {
  if (envelope.outputContract.mode === 'json_schema') {
    for (const { pointer, message } of schemaFaults(envelope.outputContract.schema)) {
      findings.error('OUTPUT_SCHEMA_INVALID', `The schema of the output contract is not valid: ${message}`, {
        pointer: `/outputContract/schema${pointer}`,
      });
    }
  }
  (envelope.goalConditions ?? []).forEach((goal, at) => {
    const pointer = `/goalConditions/${at}`;
    compiles(goal.condition, `${pointer}/condition`, findings);
    if (!canHave(goal.facet)) {
      findings.error('OUTPUT_FACET_UNCOVERED', `No node writes ${goal.facet}, which a goal condition looks at`, {
        facet: goal.facet,
        pointer: `${pointer}/facet`,
      });
    }
  });
  (envelope.outputContract.constraints ?? []).forEach(({ constraintId, expr, level }, at) => {
    const pointer = `/outputContract/constraints/${at}/expr`;
    const reads = compiles(expr, pointer, findings, constraintId, 'any');
    for (const facet of reads ?? []) {
      if (canHave(facet)) continue;
      const message = `The ${level} constraint ${constraintId} reads ${facet}, which no node writes`;
      const details = { constraintId, facet, pointer, suggestion: `Add a node that writes ${facet}` };
      if (level === 'hard') findings.error('CONSTRAINT_UNSATISFIED', message, details);
      else if (level === 'soft') findings.warn('CONSTRAINT_UNSATISFIED', message, details);
      else findings.inform('CONSTRAINT_UNSATISFIED', message, details);
    }
  });
}

/** Facets that a condition reads; undefined, and a finding, when it does not compile. */
export function compiles(
  condition: Condition,
  pointer: string,
  findings: Findings,
  constraintId?: string,
  roots?: 'any',
): string[] | undefined {
  const compiled = compileCondition(condition, roots === undefined ? {} : { roots });
  if (compiled.ok) return compiled.reads;
  const place = typeof condition === 'string' ? ` (line ${compiled.line}, column ${compiled.column})` : '';
  findings.error('CONDITION_INVALID', `${compiled.message}${place}`, {
    pointer: pointer + compiled.pointer,
    constraintId,
  });
  return undefined;
}

/** Share of the soft constraints of which the plan can have what they read. */
export function plannedSatisfaction(envelope: TaskEnvelope, canHave: (facet: string) => boolean): number {
  const soft = (envelope.outputContract.constraints ?? []).filter((constraint) => constraint.level === 'soft');
  const open = soft.filter(({ expr }) => {
    const compiled = compileCondition(expr, { roots: 'any' });
    return !compiled.ok || !compiled.reads.every(canHave);
  });
  return soft.length === 0 ? 1 : 1 - open.length / soft.length;
}
