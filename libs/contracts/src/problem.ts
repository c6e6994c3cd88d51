import type { PlannerDiagnostic, ValidationIssue } from './diagnostic.js';

/** RFC 9457 problem details, with a stable code and pointers into what was sent. */
export interface Problem {
  type: string;
  title: string;
  status: number;
  /** Stable, for programs: `invalid_envelope`, `not_found`, `stale_plan_version`, … */
  code: string;
  detail?: string;
  instance?: string;
  errors?: ValidationIssue[];
  diagnostics?: PlannerDiagnostic[];
  /** Further members a caller may need, e.g. the current plan version of a `stale_plan_version`. */
  extensions?: Record<string, unknown>;
}

/** A rejection on its way to a user: data, not a fault. */
export class Rejection extends Error {
  constructor(readonly problem: Omit<Problem, 'type'>) {
    super(problem.detail ?? problem.title);
  }
}

/** A message that breaks its contract: no retry can help, it goes to the dead letters. */
export class ContractViolation extends Error {
  constructor(
    message: string,
    readonly issues: ValidationIssue[] = [],
  ) {
    super(message);
  }
}
