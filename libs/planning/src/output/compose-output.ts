import type { Constraint, Json, OutputComposition } from '@flex/contracts';
import { compileCondition } from '../conditions/compile-condition.js';
import { holds } from '../conditions/evaluate-condition.js';
import { evaluateMapping } from '../mapping/evaluate-mapping.js';

/** The answer, made of the run's facets; undefined when what it is made of is absent. */
export function composeOutput(composition: OutputComposition, facets: Record<string, Json>): Json | undefined {
  return evaluateMapping(composition.mapping, facets);
}

export interface ConstraintResult {
  constraintId: string;
  level: Constraint['level'];
  holds: boolean;
}

/**
 * Judges the output's constraints over `{facets, output}` and, for an output that is an object, its members by name. A
 * constraint that does not compile does not hold. `satisfaction` is the share of the soft ones that hold, 1 when there
 * are none.
 */
export function checkConstraints(
  constraints: readonly Constraint[] | undefined,
  output: Json | undefined,
  facets: Record<string, Json>,
): { results: ConstraintResult[]; satisfaction: number } {
  const members = output !== null && typeof output === 'object' && !Array.isArray(output) ? output : {};
  const context: Json = { ...members, facets, output: output ?? null };
  const results = (constraints ?? []).map(({ constraintId, expr, level }) => {
    const compiled = compileCondition(expr, { roots: 'any' });
    return { constraintId, level, holds: compiled.ok && holds(compiled.logic, context) };
  });
  const soft = results.filter((result) => result.level === 'soft');
  return { results, satisfaction: soft.length === 0 ? 1 : soft.filter((result) => result.holds).length / soft.length };
}
