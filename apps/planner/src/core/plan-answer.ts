import type {
  EventData,
  NewEvent,
  PlanDelta,
  PlannerDiagnostic,
  PlannerDraft,
  Selection,
  StoredEvent,
  Usage,
} from '@flex/contracts';
import { canRevise, diagnosticsOf, type ModelFailure } from './model-failure.js';

export type PlanRequest = EventData<'plan.requested'>;
export type PlanAnswer = NewEvent<'plan.drafted' | 'plan.draft_failed'>;
/** What an answer needs to know of the event that it answers. */
export type Asked = Pick<StoredEvent<'plan.requested'>, 'runId' | 'data' | 'traceparent'>;

/** A proposal and why: of the assembler, the stub or a model. Without draft and delta there is none. */
export interface Proposal {
  draft?: PlannerDraft;
  delta?: PlanDelta;
  selections?: Record<string, Selection>;
  diagnostics: readonly PlannerDiagnostic[];
  proven?: boolean;
}

/** Who made a proposal; written over whatever a draft says about itself. */
export interface Origin {
  runtime: 'deterministic' | 'llm' | 'stub';
  provider?: string;
  model?: string;
}

/**
 * The answer to a request, whatever happened: a draft, or why there is none. Its id derives from request and attempt, so
 * that answering twice is one message.
 */
export function answerWith(
  asked: Asked,
  origin: Origin,
  proposal: Proposal,
  extra: { usage?: Usage; diagnostics?: readonly PlannerDiagnostic[] } = {},
): PlanAnswer {
  const diagnostics = [...(extra.diagnostics ?? []), ...proposal.diagnostics];
  if (!proposal.draft && !proposal.delta)
    return failed(asked, 'No plan can be made of what is registered', diagnostics, extra.usage);
  const { usage } = extra;
  const { requestId, attempt } = asked.data;
  const metadata = { ...origin, ...(usage ? { usage: counts(usage) } : {}) };
  return {
    type: 'plan.drafted',
    runId: asked.runId,
    id: answerId(asked),
    traceparent: asked.traceparent,
    data: {
      requestId,
      attempt,
      ...(proposal.draft ? { draft: { ...proposal.draft, metadata } } : {}),
      ...(proposal.delta ? { delta: { ...proposal.delta, metadata } } : {}),
      ...(proposal.selections ? { selections: proposal.selections } : {}),
      ...(diagnostics.length > 0 ? { diagnostics } : {}),
      ...(proposal.proven === undefined ? {} : { proven: proposal.proven }),
      ...(usage ? { usage } : {}),
    },
  };
}

/**
 * The answer when the model failed: what it can revise goes back as a failed attempt, with the findings; else the
 * deterministic proposal answers, with a warning that says why.
 */
export function answerAfterFailure(
  asked: Asked,
  failure: ModelFailure,
  deterministic: { origin: Origin; proposal: Proposal },
  usage: Usage,
  further: readonly PlannerDiagnostic[] = [],
): PlanAnswer {
  const diagnostics = [...further, ...diagnosticsOf(failure)];
  if (canRevise(failure)) return failed(asked, failure.message, diagnostics, usage);
  return answerWith(asked, deterministic.origin, deterministic.proposal, { usage, diagnostics });
}

/** The answer when the planner itself is at fault: the run is told, rather than left waiting. */
export const answerToFault = (asked: Asked, message: string): PlanAnswer =>
  failed(asked, 'The planner failed', [
    {
      code: 'PLANNER_UNAVAILABLE',
      severity: 'error',
      message,
      suggestion: "Look into the planner's log; a further attempt may succeed.",
    },
  ]);

function failed(asked: Asked, reason: string, diagnostics: readonly PlannerDiagnostic[], usage?: Usage): PlanAnswer {
  const { requestId, attempt } = asked.data;
  return {
    type: 'plan.draft_failed',
    runId: asked.runId,
    id: answerId(asked),
    traceparent: asked.traceparent,
    data: { requestId, attempt, reason, diagnostics: [...diagnostics], ...(usage ? { usage } : {}) },
  };
}

const answerId = ({ runId, data }: Asked): string => `plan.answer.${runId}.${data.requestId}.${data.attempt}`;
const counts = ({
  inputTokens,
  outputTokens,
  cost,
}: Usage): { inputTokens?: number; outputTokens?: number; cost?: number } => ({
  ...(inputTokens === undefined ? {} : { inputTokens }),
  ...(outputTokens === undefined ? {} : { outputTokens }),
  ...(cost === undefined ? {} : { cost }),
});
