import type { EventData, PlanNode, RunEventType, StoredEvent } from '@flex/contracts';

/** A run's log for tests of folds: events get ascending sequences and times. */
export class TestRun {
  readonly events: StoredEvent[] = [];

  constructor(readonly runId = '01testrun') {}

  add<T extends RunEventType>(type: T, data: EventData<T>): StoredEvent {
    const seq = (this.events.length + 1) * 10;
    const event = {
      type,
      version: 1,
      runId: this.runId,
      id: `${type}.${seq}`,
      data,
      seq,
      time: 1_700_000_000_000 + seq,
      source: 'test',
    };
    this.events.push(event as unknown as StoredEvent);
    return event as unknown as StoredEvent;
  }
}

export const submitted = (more: object = {}): EventData<'run.submitted'> => ({
  envelope: { objective: 'Say hello', outputContract: { mode: 'freeform', instructions: 'One word' } },
  tenant: 'default',
  correlationId: 'c1',
  ...more,
});

export const dispatched = (nodeId: string, more: object = {}): EventData<'node.dispatched'> => ({
  nodeId,
  attempt: 1,
  planVersion: 1,
  capabilityId: 'agent.write',
  kind: 'execution',
  label: 'Write',
  inputs: { brief: 'short' },
  provenance: { brief: 'envelope' },
  outputFacets: ['copy'],
  timeoutMs: 1000,
  idempotencyKey: `k.${nodeId}`,
  ...more,
});

const metadata = {
  registryRevision: 1,
  branches: [{ id: 'b1', label: 'Spotlight' }],
  derived: [],
  fallbacks: [{ nodeId: 'f', facets: ['copy'], reason: 'nobody can' }],
  normalizationInjected: false,
  planner: { runtime: 'deterministic' },
  attempts: 1,
  depth: 1,
};

export const node = (id: string, more: Partial<PlanNode> = {}): PlanNode => ({
  id,
  kind: 'execution' as const,
  capabilityId: 'agent.write',
  label: id,
  facets: { input: ['brief'], output: ['copy'] },
  inputSchema: {},
  outputSchema: {},
  instruction: '',
  provenance: [],
  rationale: ['the best'],
  selection: {
    score: 0.9,
    threshold: 0.5,
    breakdown: {} as never,
    runnersUp: [{ capabilityId: 'agent.other', score: 0.6 }],
  },
  policyHooks: [],
  retry: { maxAttempts: 3, backoffMs: 100, factor: 2 },
  timeoutMs: 1000,
  fallback: [],
  estimate: { tokens: 100, ms: 50 },
  draft: {
    id,
    kind: 'execution',
    capabilityId: 'agent.write',
    label: id,
    inputFacets: ['brief'],
    outputFacets: ['copy'],
  },
  ...more,
});

export const generated = (ids: string[]): EventData<'plan.generated'> => ({
  attempt: 1,
  requestId: 'r1',
  plan: {
    runId: '01testrun',
    version: 1,
    versionTag: 'v1',
    cause: { kind: 'initial' },
    nodes: ids.map((id) => node(id)),
    edges: [],
    output: { mode: 'freeform', schema: true, mapping: { value: null } },
    metadata,
  },
});

export const updated = (added: string[]): EventData<'plan.updated'> => ({
  requestId: 'r2',
  attempt: 1,
  previousVersion: 1,
  version: 2,
  versionTag: 'v2',
  cause: { kind: 'policy', policyId: 'quality' },
  diff: { added, removed: [], changed: [], edgesAdded: [], edgesRemoved: [] },
  delta: {
    baseVersion: 1,
    addNodes: added.map((id) => node(id)),
    replaceNodes: [],
    removeNodes: [],
    cancelNodes: [],
    addEdges: [],
    removeEdges: [],
    metadata: { ...metadata, branches: [...metadata.branches, { id: 'b2', label: 'Culture' }] },
  },
});
