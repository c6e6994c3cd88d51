import { JsonValue, Open, Positive, Type, Uint } from '../schema.js';
import { event } from './define.js';
import { Failure, FacetValues, Usage } from './parts.js';

const Work = { nodeId: Type.String(), attempt: Positive, worker: Type.Optional(Type.String()) };

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
    meaning: 'A worker has finished an attempt: outputs by facet, or an error.',
    data: Open({
      ...Work,
      outputs: Type.Optional(FacetValues),
      error: Type.Optional(Failure),
      durationMs: Type.Optional(Uint),
      usage: Type.Optional(Usage),
      metrics: Type.Optional(Type.Record(Type.String(), Type.Number())),
    }),
  }),
} as const;
