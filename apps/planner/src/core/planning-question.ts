import type { RegistrySnapshot } from '@flex/contracts';
import type { PlanningQuestion } from '@flex/planning';
import type { PlanRequest } from './plan-answer.js';

/** A request as the planning library asks it: an envelope again, with what the run has by now. */
export function questionOf(runId: string, request: PlanRequest, snapshot: RegistrySnapshot): PlanningQuestion {
  const { objective, inputs, constraints, outputContract, specialInstructions, goalConditions, labels } = request;
  const metadata = labels ? { labels } : undefined;
  return {
    runId,
    tenant: request.tenant,
    envelope: { objective, inputs, constraints, outputContract, specialInstructions, goalConditions, metadata },
    policies: request.policies,
    snapshot,
    ...(request.replan ? { available: request.replan.available } : {}),
  };
}
