import type { Acceptance, FacetValues, StoredEvent, TaskEnvelope } from '@flex/contracts';

export interface ForkPoint {
  envelope: TaskEnvelope;
  seq: number;
  seed: { context: FacetValues; completed: string[] };
}

/** What a run had finished at a sequence: its facets and nodes. Undefined when it had not begun. */
export function forkPoint(events: readonly StoredEvent[], untilSeq: number): ForkPoint | undefined {
  let envelope: TaskEnvelope | undefined;
  let seq = 0;
  const reports = new Map<string, FacetValues>();
  const context: FacetValues = {};
  const completed = new Set<string>();
  for (const event of events) {
    if (event.seq > untilSeq) break;
    seq = event.seq;
    for (const { nodeId, attempt, outputs } of (event.data as { accepted?: Acceptance[] }).accepted ?? []) {
      Object.assign(context, outputs ?? reports.get(`${nodeId}#${attempt}`));
      completed.add(nodeId);
    }
    if (event.type === 'run.submitted') {
      envelope = event.data.envelope;
      Object.assign(context, event.data.seed?.context);
    } else if (event.type === 'node.reported') {
      const { nodeId, attempt, outputs } = event.data;
      if (outputs && !reports.has(`${nodeId}#${attempt}`)) reports.set(`${nodeId}#${attempt}`, outputs);
    } else if (event.type === 'policy.acted') {
      // Going back repeats nodes: their results of before are void.
      for (const nodeId of event.data.goto?.nodes ?? []) completed.delete(nodeId);
    }
  }
  return envelope && { envelope, seq, seed: { context, completed: [...completed] } };
}
