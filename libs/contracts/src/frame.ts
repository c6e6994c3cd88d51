import { Enum, JsonObject, Open, Positive, Type, type Json, type Static } from './schema.js';

/** Types of the frames that clients see. */
export const frameTypes = [
  'start',
  'plan_requested',
  'plan_rejected',
  'plan_generated',
  'plan_branch',
  'plan_fallback',
  'plan_updated',
  'node_start',
  'node_progress',
  'node_complete',
  'node_error',
  'node_skipped',
  'policy_triggered',
  'hitl_request',
  'hitl_resolved',
  'validation_error',
  'goal_condition_failed',
  'run_paused',
  'run_resumed',
  'log',
  'complete',
] as const;
export type FrameType = (typeof frameTypes)[number];

/** What a stream says about itself; without an id, so that the cursor does not move. */
export const controlFrameTypes = ['snapshot', 'resync'] as const;

/** The `data` of one SSE frame. */
export const Frame = Open(
  {
    type: Enum(frameTypes),
    id: Type.String({
      pattern: '^[0-9]+(\\.[0-9]{3})?$',
      description: 'Sequence in the log; further frames of the same event have .001, .002 … behind it',
    }),
    timestamp: Type.String({ description: 'RFC 3339, server time' }),
    runId: Type.String(),
    nodeId: Type.Optional(Type.String()),
    correlationId: Type.String(),
    planVersion: Type.Optional(Positive),
    message: Type.Optional(Type.String()),
    payload: Type.Unsafe<Record<string, Json>>(JsonObject),
    facetProvenance: Type.Optional(Type.Record(Type.String(), Type.Array(Type.String()))),
  },
  { $id: 'flex:Frame', description: 'One step of a run as clients see it' },
);
export type Frame = Static<typeof Frame>;

/** Position of a frame in its stream: `<seq>` or `<seq>.<index>`. */
export interface FrameCursor {
  seq: number;
  index: number;
}

export const formatFrameId = ({ seq, index }: FrameCursor): string =>
  index === 0 ? String(seq) : `${seq}.${String(index).padStart(3, '0')}`;

/** Parses a `Last-Event-ID`; undefined when it is not one of ours. */
export function parseFrameId(text: string): FrameCursor | undefined {
  const match = /^(\d{1,15})(?:\.(\d{3,6}))?$/.exec(text.trim());
  return match ? { seq: Number(match[1]), index: match[2] === undefined ? 0 : Number(match[2]) } : undefined;
}

export const isAfter = (frame: FrameCursor, cursor: FrameCursor): boolean =>
  frame.seq > cursor.seq || (frame.seq === cursor.seq && frame.index > cursor.index);
