import type {
  EventData,
  PlanDelta,
  PlannerDiagnostic,
  PlannerDraft,
  RegistrySnapshot,
  Selection,
} from '@flex/contracts';
import type { SelectionSettings } from '../selection/selection-settings.js';
import { assembleDelta } from './assemble-delta.js';
import { assemble } from './assemble.js';

/** What a planner proposes: a draft, or for a plan under way a delta; without either the diagnostics say why. */
export interface AssembledProposal {
  readonly draft?: PlannerDraft;
  readonly delta?: PlanDelta;
  readonly selections: Record<string, Selection>;
  readonly diagnostics: PlannerDiagnostic[];
  readonly proven: boolean;
}

export interface ProposalOptions {
  /** No scores to choose by, no checks, branches or fallbacks. */
  readonly plain: boolean;
  /** Time for proving that a plan is minimal. */
  readonly budgetMs: number;
  readonly clock: () => number;
  readonly settings?: SelectionSettings;
}

/** Findings that say of a capability that it can't be used after all: the registry changed since the snapshot. */
const UNUSABLE = new Set(['CAPABILITY_NOT_REGISTERED', 'CAPABILITY_INACTIVE']);

/** The deterministic answer to a planning request. */
export function propose(
  request: EventData<'plan.requested'>,
  snapshot: RegistrySnapshot,
  options: ProposalOptions,
): AssembledProposal {
  const unusable = request.diagnostics
    .filter((found) => UNUSABLE.has(found.code))
    .flatMap((found) => found.capabilityId ?? []);
  const question = {
    envelope: request,
    policies: request.policies,
    snapshot,
    plain: options.plain,
    budgetMs: options.budgetMs,
    clock: options.clock,
    ...(options.settings === undefined ? {} : { settings: options.settings }),
    exclude: unusable,
  };
  if (request.phase === 'replan' && request.replan !== undefined) {
    const { delta, selections, diagnostics, proven } = assembleDelta({
      ...question,
      replan: request.replan,
      cause: request.cause,
    });
    return { delta, selections, diagnostics, proven };
  }
  const { draft, selections, diagnostics, proven } = assemble(question);
  return { ...(draft === undefined ? {} : { draft }), selections, diagnostics, proven };
}
