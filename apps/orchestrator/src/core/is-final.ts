import type { EventData, PlannerDiagnostic } from '@flex/contracts';

/** Findings that can be gone in a further attempt: a model revises, a planner comes back, the registry or the plan has moved on. */
const PASSING: ReadonlySet<PlannerDiagnostic['code']> = new Set([
  'DRAFT_MALFORMED',
  'PLANNER_UNAVAILABLE',
  'STALE_BASE_VERSION',
  'CAPABILITY_NOT_REGISTERED',
  'CAPABILITY_INACTIVE',
] as const);

/** Whether another attempt would only repeat this one: the rules alone made the draft, or found none. */
export function isFinal({
  draft,
  delta,
  diagnostics,
}: Pick<EventData<'plan.rejected'>, 'draft' | 'delta' | 'diagnostics'>): boolean {
  const proposal = draft ?? delta;
  const runtime = proposal?.metadata?.runtime;
  const byRules = !proposal || runtime === 'deterministic' || runtime === 'stub';
  return byRules && !diagnostics.some(({ code }) => PASSING.has(code));
}
