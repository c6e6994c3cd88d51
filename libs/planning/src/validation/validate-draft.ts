import type { PlanGraph, PlannerDiagnostic, PlannerDraft } from '@flex/contracts';
import { checkShape } from './check-structure.js';
import { compileGraph } from './compile-graph.js';
import { Findings } from './findings.js';
import type { PlanningQuestion, PlanOrigin } from './planning-question.js';

/**
 * Judges a draft, whoever made it, and compiles it: stages in order structure, capabilities and facets, flow, contract,
 * policies, constraints, budget. `plan` is there if and only if no finding is an error; it is version 1.
 */
export function validateDraft(
  question: PlanningQuestion,
  draft: PlannerDraft,
  origin: PlanOrigin,
): { plan?: PlanGraph; diagnostics: PlannerDiagnostic[] } {
  const findings = new Findings();
  if (!checkShape(draft, findings)) return { diagnostics: findings.list() };
  const compiled = compileGraph(question, draft, origin, findings);
  const diagnostics = findings.list();
  if (compiled === undefined || findings.failed) return { diagnostics };
  const version = 1;
  return {
    plan: {
      runId: question.runId,
      version,
      versionTag: origin.versionTag ?? versionTagOf(version),
      cause: origin.cause,
      ...compiled,
    },
    diagnostics,
  };
}

export const versionTagOf = (version: number): string => `v${version}`;
