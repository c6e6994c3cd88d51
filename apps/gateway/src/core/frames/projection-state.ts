import type { EventData, FrameType, Json, StepResult, StoredEvent } from '@flex/contracts';

export type Payload = Record<string, Json>;
export type Report = StepResult & Pick<EventData<'node.reported'>, 'at'>;
/** Events about one kind of thing: what stands before the dot of their type. */
export type EventOf<E extends string> = Extract<StoredEvent, { type: `${E}.${string}` }>;

/** What the frames of a run need to know of its past. Owned by one fold and changed in place; grows with open work only. */
export interface ProjectionState {
  runId: string;
  correlationId: string;
  begun: boolean;
  planVersion?: number;
  /** Results that are not accepted yet, by node and attempt. */
  reports: Map<string, Map<number, Report>>;
  /** Capability of the last dispatch, by node. */
  capabilities: Map<string, string>;
  /** Starts that a dispatch named and that were not shown yet, by node: its worker may go on with them by itself. */
  next: Map<string, { attempt: number; frame: Draft }>;
  /** Node of each open task. */
  tasks: Map<string, { nodeId?: string; kind: string }>;
  branches: Set<string>;
  fallbacks: Set<string>;
  /** After the final frame nothing follows, whatever still trickles into the log. */
  ended: boolean;
}

export const initialProjection = (runId: string): ProjectionState => ({
  runId,
  correlationId: runId,
  begun: false,
  reports: new Map(),
  capabilities: new Map(),
  next: new Map(),
  tasks: new Map(),
  branches: new Set(),
  fallbacks: new Set(),
  ended: false,
});

/** A frame before it gets its id: what it says, and about which node. */
export interface Draft {
  type: FrameType;
  payload: Payload;
  nodeId?: string;
  message?: string;
  facetProvenance?: Record<string, string[]>;
}

/** Leaves out what is undefined, so that a frame is plain JSON. */
export function json(members: Record<string, unknown>): Payload {
  const out: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(members)) if (value !== undefined) out[key] = value;
  return out as Payload;
}
