import type { Action, NormalizedPolicies } from '../policy.js';
import { Open, Ref, Type } from '../schema.js';
import { event } from './define.js';
import { Diagnostics } from './parts.js';

/** How one policy judged one occasion. */
export const Evaluation = Open({
  policyId: Type.String(),
  matched: Type.Boolean(),
  reason: Type.Optional(Type.String()),
});

export const policyEvents = {
  'policy.normalized': event({
    version: 1,
    by: 'policy',
    meaning: "The envelope's policies are compiled and enforceable.",
    data: Open({
      policies: Type.Unsafe<NormalizedPolicies>(
        Open({ planner: Open({}), runtime: Type.Array(Open({ id: Type.String() })), budget: Open({}) }),
      ),
      diagnostics: Type.Optional(Diagnostics),
    }),
  }),
  'policy.refused': event({
    version: 1,
    by: 'policy',
    meaning: "The envelope's policies are unknown, contradictory or do not compile.",
    data: Open({ diagnostics: Diagnostics }),
  }),
  'policy.evaluated': event({
    version: 1,
    by: 'policy',
    meaning: 'The verdict on an occasion: no policy acts, the run may go on.',
    data: Open({ requestId: Type.String(), evaluations: Type.Array(Evaluation) }),
  }),
  'policy.triggered': event({
    version: 1,
    by: 'policy',
    meaning: 'The verdict on an occasion: this policy acts; all that matched are recorded.',
    data: Open({
      requestId: Type.String(),
      policyId: Type.String(),
      action: Ref<Action>('Action'),
      evaluations: Type.Array(Evaluation),
      nodeId: Type.Optional(Type.String()),
      rationale: Type.Optional(Type.String()),
    }),
  }),
} as const;
