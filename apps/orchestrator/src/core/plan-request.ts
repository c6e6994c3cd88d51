import type { EventData, FacetValues, PlanCause, PlannerDiagnostic, PlannerDraft } from '@flex/contracts';
import { relevantCapabilities, type PlanningQuestion, performerOf } from '@flex/planning';
import { isFinished } from './progress.js';
import { nodeOf, type Planning } from './state.js';
import type { Step } from './step.js';

/** What a plan has to answer, as the validator takes it. */
export const question = (step: Step): PlanningQuestion => ({
  runId: step.state.runId,
  tenant: step.state.tenant,
  envelope: step.state.envelope,
  policies: step.state.policies!,
  snapshot: step.world.registry,
  // What nodes of the plan wrote comes to others by edges; this is the rest: signals, answers, nodes that are gone.
  available: [...step.state.facets]
    .filter(([, { from }]) => from.every((source) => !nodeOf(step.state, source)))
    .map(([facet]) => facet),
});

/** What a planner can draw on, by name and with the reason; the registry's revision tells it all the rest. */
function registryOf(step: Step): EventData<'plan.requested'>['registry'] {
  const { capabilities, facets } = relevantCapabilities(question(step));
  return {
    revision: step.world.registry.revision,
    capabilities,
    facets,
  };
}

/** The first question of a run, or of one that an escalation left without a plan. */
export const initialRequest = (step: Step): Omit<Planning, 'attempt' | 'diagnostics' | 'deterministicOnly'> => ({
  requestId: `initial-${step.state.planRounds}`,
  phase: 'initial',
  cause: { kind: 'initial' },
});

/** Asks the planner; for a replan with what is done and why. */
export function request(
  step: Step,
  planning: Omit<Planning, 'attempt' | 'diagnostics' | 'deterministicOnly'>,
  attempt: number,
  diagnostics: PlannerDiagnostic[],
  exclude: string[] = [],
): void {
  const { state, world } = step;
  const { envelope } = state;
  step.emit('plan.requested', `plan:${planning.requestId}:${attempt}`, {
    requestId: planning.requestId,
    attempt,
    phase: planning.phase,
    tenant: state.tenant,
    objective: envelope.objective,
    inputs: envelope.inputs,
    constraints: envelope.constraints,
    outputContract: envelope.outputContract,
    specialInstructions: envelope.specialInstructions,
    goalConditions: envelope.goalConditions,
    labels: envelope.metadata?.labels,
    policies: state.policies!,
    dynamic: world.settings.dynamicPlanning && envelope.planning?.dynamic !== false,
    hybrid: world.settings.hybridPlanning && envelope.planning?.hybrid !== false,
    deterministicOnly: attempt > world.settings.planAttempts || undefined,
    registry: registryOf(step),
    diagnostics,
    cause: planning.cause,
    replan: planning.phase === 'replan' ? replanContext(step, planning, exclude) : undefined,
    correlationId: state.correlationId,
  });
  step.held = true;
}

function replanContext(
  step: Step,
  planning: Pick<Planning, 'values' | 'branchRequests'>,
  exclude: string[],
): NonNullable<EventData<'plan.requested'>['replan']> {
  const { state } = step;
  const completed: string[] = [];
  const failed: { nodeId: string; capabilityId?: string; message: string }[] = [];
  for (const node of state.plan!.nodes) {
    const run = state.nodes.get(node.id)!;
    if (isFinished(run) || step.outputsOf(node.id)) completed.push(node.id);
    else if (run.status === 'failed')
      failed.push({ nodeId: node.id, capabilityId: performerOf(node), message: run.error?.message ?? '' });
  }
  return {
    baseVersion: step.version,
    plan: state.plan!,
    completed,
    running: [...state.active],
    failed,
    available: Object.keys(step.facets()),
    values: planning.values,
    branchRequests: planning.branchRequests,
    exclude: [...new Set([...state.excluded, ...exclude])],
  };
}

/** Asks for the next version, if the run's budget of replans allows. */
export function replan(
  step: Step,
  ask: {
    cause: PlanCause;
    values?: FacetValues;
    branchRequests?: PlannerDraft['branchRequests'];
    exclude?: string[];
    otherwise: (reason: string) => void;
  },
): void {
  const { state } = step;
  const max = state.policies!.budget.maxReplans ?? 5;
  if (state.replans >= max) return ask.otherwise(`its ${max} replans are used up`);
  request(
    step,
    {
      requestId: `replan-${state.planRounds}`,
      phase: 'replan',
      cause: ask.cause,
      values: ask.values,
      branchRequests: ask.branchRequests,
    },
    1,
    [],
    ask.exclude,
  );
}

export const firstError = (diagnostics: readonly PlannerDiagnostic[]): string =>
  (diagnostics.find((diagnostic) => diagnostic.severity === 'error') ?? diagnostics[0])?.message ??
  'no reason was given.';
