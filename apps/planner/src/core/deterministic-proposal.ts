import type { RegistrySnapshot } from '@flex/contracts';
import type { PlanRequest, Proposal } from './plan-answer.js';
import { plainChain } from './plain-chain.js';
import { questionOf } from './planning-question.js';

/** What follows from the registry and the rules alone; the same for the same question. */
export function deterministicProposal(
  runId: string,
  request: PlanRequest,
  snapshot: RegistrySnapshot,
  plain: boolean,
): Proposal {
  const question = questionOf(runId, request, snapshot);
  if (plain && request.phase === 'initial') return plainChain(question);
  return plainChain(question);
}
