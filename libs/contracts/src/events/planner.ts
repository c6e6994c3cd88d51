import { PlanDelta, PlannerDraft } from '../draft.js';
import type { Selection } from '../plan.js';
import { Open, Positive, Type } from '../schema.js';
import { event } from './define.js';
import { Diagnostics, Usage } from './parts.js';

export const plannerEvents = {
  'plan.drafted': event({
    version: 1,
    by: 'planner',
    meaning: 'A planner answers a planning request: a draft, or for a replan a delta.',
    data: Open({
      requestId: Type.String(),
      attempt: Positive,
      draft: Type.Optional(PlannerDraft),
      delta: Type.Optional(PlanDelta),
      /** Why each capability was chosen, by node id. */
      selections: Type.Optional(Type.Record(Type.String(), Type.Unsafe<Selection>({ type: 'object' }))),
      /** Findings that the plan carries although it stands: fallbacks, unproven optimum. */
      diagnostics: Type.Optional(Diagnostics),
      proven: Type.Optional(Type.Boolean()),
      usage: Type.Optional(Usage),
    }),
  }),
  'plan.draft_failed': event({
    version: 1,
    by: 'planner',
    meaning: 'A planner could not draft; the diagnostics say why and what would help.',
    data: Open({
      requestId: Type.String(),
      attempt: Positive,
      reason: Type.String(),
      diagnostics: Diagnostics,
      usage: Type.Optional(Usage),
    }),
  }),
} as const;
