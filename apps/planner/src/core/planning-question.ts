import type { RegistrySnapshot } from '@flex/contracts';
import type { PlanningQuestion } from '@flex/planning';
import type { PlanRequest } from './plan-answer.js';

/** A request as the planning library asks it: an envelope again, with what the run has by now. */
export function questionOf(runId: string, request: PlanRequest, snapshot: RegistrySnapshot): PlanningQuestion {
  const { tenant, objective, inputs, constraints, outputContract, specialInstructions, goalConditions, policies } =
    request;
  return {
    runId,
    tenant,
    envelope: { objective, inputs, constraints, outputContract, specialInstructions, goalConditions, metadata },
    policies,
    snapshot,
    ...(request.replan ? { available: request.replan.available } : {}),
  };
}
