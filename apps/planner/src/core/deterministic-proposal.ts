import type { RegistrySnapshot } from '@flex/contracts';
import { assemble, assembleDelta } from '@flex/planning';
import type { PlanRequest, Proposal } from './plan-answer.js';
import { questionOf } from './planning-question.js';

/** How long the assembler may go on proving that its plan is the smallest; a plan is there long before. */
export interface AssemblyLimits {
  budgetMs: number;
  clock: () => number;
}

/** What follows from the registry and the rules alone; the same for the same question. */
export function deterministicProposal(
  limits: AssemblyLimits,
  runId: string,
  request: PlanRequest,
  snapshot: RegistrySnapshot,
  plain: boolean,
): Proposal {
  const { envelope, policies } = questionOf(runId, request, snapshot);
  const question = { envelope, policies, snapshot, plain, ...limits };
  if (request.replan) {
    const { replan, cause } = request;
    const { delta, selections, diagnostics, proven } = assembleDelta({ ...question, replan, cause });
    return { delta, selections, diagnostics, proven };
  }
  const { draft, selections, diagnostics, proven } = assemble(question);
  return { draft, selections, diagnostics, proven };
}
