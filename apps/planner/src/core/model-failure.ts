import type { PlannerDiagnostic } from '@flex/contracts';

/**
 * How a model can fail to draft.
 * - `malformed`: it answered, but not with a draft (no JSON, wrong shape).
 * - `truncated`: the answer hit the output limit; a shorter plan is asked for.
 * - `refused`: it declined, or a content filter did.
 * - `unavailable`: no usable answer within time and retries (timeout, rate limit, 5xx, broken stream, no connection).
 * - `misconfigured`: the endpoint refuses the request itself (key, model name, unsupported parameter).
 */
export type ModelFailureKind = 'malformed' | 'truncated' | 'refused' | 'unavailable' | 'misconfigured';

export interface ModelFailure {
  kind: ModelFailureKind;
  /** One sentence for people: what happened, without anything secret. */
  message: string;
  /** For `malformed`: where the answer breaks the contract. */
  diagnostics?: PlannerDiagnostic[];
}

/**
 * Whether asking the model again in the next attempt can help. What it wrote wrongly it can revise, given the findings;
 * a refusal repeats itself, and an endpoint that was retried already would only cost another timeout, so there the
 * deterministic draft answers at once.
 */
export const canRevise = (failure: ModelFailure): boolean =>
  failure.kind === 'malformed' || failure.kind === 'truncated';

/** The findings that go into the log: errors when the model shall revise, warnings when the deterministic draft stands in. */
export function diagnosticsOf(failure: ModelFailure): PlannerDiagnostic[] {
  if (canRevise(failure)) {
    return failure.diagnostics?.length
      ? failure.diagnostics
      : [
          {
            code: 'DRAFT_MALFORMED',
            severity: 'error',
            message: failure.message,
            suggestion:
              failure.kind === 'truncated'
                ? 'Answer with fewer nodes, shorter instructions and shorter rationale.'
                : 'Answer with one JSON object that follows the output schema.',
          },
        ];
  }
  return [
    {
      code: failure.kind === 'refused' ? 'PLANNER_REFUSED' : 'PLANNER_UNAVAILABLE',
      severity: 'warning',
      message: `${failure.message}; the deterministic draft stands in`,
      suggestion: advice[failure.kind],
    },
  ];
}

const advice: Record<'refused' | 'unavailable' | 'misconfigured', string> & Partial<Record<ModelFailureKind, string>> =
  {
    refused: 'Rephrase the objective, or plan without the model (planning.hybrid: false).',
    unavailable: 'Check the endpoint and its rate limits, or plan without the model (FLEX_HYBRID_PLANNING=false).',
    misconfigured: 'Check OPENAI_BASE_URL, OPENAI_API_KEY and FLEX_PLANNER_MODEL.',
  };
