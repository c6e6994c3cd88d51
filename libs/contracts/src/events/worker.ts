import { JsonValue, Open, Positive, Type, Uint, type Static } from '../schema.js';
import { event } from './define.js';
import { Failure, FacetValues, Usage } from './parts.js';

const Work = { nodeId: Type.String(), attempt: Positive, worker: Type.Optional(Type.String()) };

const Result = {
  outputs: Type.Optional(FacetValues),
  error: Type.Optional(Failure),
  durationMs: Type.Optional(Uint),
  usage: Type.Optional(Usage),
  metrics: Type.Optional(Type.Record(Type.String(), Type.Number())),
};

/** What came of one attempt. */
const StepResult = Open({ nodeId: Type.String(), attempt: Positive, ...Result });
export type StepResult = Static<typeof StepResult>;

export const workerEvents = {
  'node.started': event({
    version: 1,
    by: 'worker',
    keyed: true,
    meaning: 'A worker is at it; written only when the work takes a while.',
    data: Open(Work),
  }),
  'node.progressed': event({
    version: 1,
    by: 'worker',
    keyed: true,
    meaning: 'A worker tells how far it is, or streams text.',
    data: Open({
      ...Work,
      fraction: Type.Optional(Type.Number({ minimum: 0, maximum: 1 })),
      message: Type.Optional(Type.String()),
      text: Type.Optional(Type.String({ description: 'A further piece of streamed text' })),
      data: Type.Optional(JsonValue),
    }),
  }),
  'node.reported': event({
    version: 1,
    by: 'worker',
    keyed: true,
    meaning: 'A worker has finished an attempt, and maybe steps that it went on with: outputs by facet, or an error.',
    data: Open({
      ...Work,
      ...Result,
      /**
       * Results of the steps of this capability that it went on with, in the order of the dispatch's `next`; the last may be
       * an error. Those of another one come under its own key, after this has named it with `at`.
       */
      further: Type.Optional(Type.Array(StepResult)),
      /** The step that it is at now, and that is reported by itself. */
      at: Type.Optional(
        Open({
          nodeId: Type.String(),
          attempt: Positive,
          follows: Type.Optional(Type.Boolean({ description: 'It is done as well: its report comes right behind' })),
        }),
      ),
    }),
  }),
} as const;

/** All results that a report brings, in the order in which they came about, each by itself. */
export function resultsOf(report: StepResult & { further?: StepResult[] }): StepResult[] {
  const { nodeId, attempt, outputs, error, durationMs, usage, metrics } = report;
  return [{ nodeId, attempt, outputs, error, durationMs, usage, metrics }, ...(report.further ?? [])];
}
