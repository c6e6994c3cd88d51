import type {
  Acceptance,
  EventData,
  FacetValues,
  Json,
  NewEvent,
  RegistrySnapshot,
  RunEventType,
} from '@flex/contracts';
import { conditionContext, release, TAKEN, type Counts } from './progress.js';
import { nodeOf, type RunState } from './state.js';

/** What a decision may look at besides the run itself. */
export interface World {
  /** Time of the log: of the last event folded, or of the timer that fired. */
  now: number;
  registry: RegistrySnapshot;
  settings: Settings;
  /** Whether one process is known to serve the capabilities of both keys. */
  together: (key: string, other: string) => boolean;
}

export interface Settings {
  dynamicPlanning: boolean;
  hybridPlanning: boolean;
  /** Attempts of a planner per request before the deterministic plan has to stand in. */
  planAttempts: number;
  /** What becomes of runs whose policies cannot be judged: they wait (closed), always. */
  maxEscalations: number;
  /** Further steps that a dispatch names at most, for its worker to go on with; 0: each step is dispatched by itself. */
  runOn: number;
}

export const defaultSettings: Settings = {
  dynamicPlanning: true,
  hybridPlanning: true,
  planAttempts: 3,
  maxEscalations: 5,
  runOn: 15,
};

/** Events that can carry the acceptance of results, so that these need no event of their own. */
const carriers: ReadonlySet<RunEventType> = new Set([
  'plan.requested',
  'node.dispatched',
  'node.failed',
  'node.skipped',
  'goal.failed',
  'policy.requested',
  'hitl.requested',
  'run.completed',
  'run.failed',
] as const);

/**
 * One decision under construction: the events so far, and the run as it will be when they are in the log, as an
 * overlay over the state, which stays untouched.
 */
export class Step {
  private readonly events: NewEvent[] = [];
  private readonly accepted: Acceptance[] = [];
  private readonly outputs = new Map<string, FacetValues>();
  private readonly overlay = new Map<string, Counts>();
  private readonly newFacets = new Map<string, Json>();
  /** Nodes that became ready, or dead, within this step. */
  readonly ready: string[] = [];
  readonly dead: string[] = [];
  /** Nodes that this step has dealt with. */
  readonly handled = new Set<string>();
  ended = false;
  held = false;

  constructor(
    readonly state: RunState,
    readonly world: World,
  ) {}

  emit<T extends RunEventType>(type: T, id: string, data: EventData<T>, key?: string): void {
    if (type === 'policy.requested') this.asks = true;
    if (type === 'node.dispatched') this.dispatched.push((data as EventData<'node.dispatched'>).nodeId);
    this.events.push({ type, runId: this.state.runId, id: `${this.state.runId}:${id}`, data, key } as NewEvent);
  }

  /** Takes a result over; unless policies are asked first, what follows from it may be decided in this same step. */
  accept(acceptance: Acceptance, outputs: FacetValues, gated = false): Acceptance {
    this.handled.add(acceptance.nodeId);
    this.outputs.set(acceptance.nodeId, outputs);
    for (const [facet, value] of Object.entries(outputs)) if (facet !== TAKEN) this.newFacets.set(facet, value);
    if (gated) return acceptance;
    this.accepted.push(acceptance);
    release(
      this.state.plan!,
      acceptance.nodeId,
      { status: 'completed', taken: acceptance.taken },
      () => this.conditionContext(),
      {
        counts: (nodeId) => this.counts(nodeId),
        reached: (nodeId, alive) => {
          if (this.state.nodes.get(nodeId)?.status === 'pending') (alive ? this.ready : this.dead).push(nodeId);
        },
      },
    );
    return acceptance;
  }

  private counts(nodeId: string): Counts | undefined {
    let counts = this.overlay.get(nodeId);
    if (!counts) {
      const run = this.state.nodes.get(nodeId);
      if (!run) return undefined;
      this.overlay.set(nodeId, (counts = { unmet: run.unmet, taken: run.taken, passed: run.passed }));
    }
    return counts;
  }

  /** What a node put out, also when that was only just accepted. */
  outputsOf(nodeId: string): FacetValues | undefined {
    return this.outputs.get(nodeId) ?? this.state.nodes.get(nodeId)?.outputs;
  }

  facet(name: string): Json | undefined {
    return this.newFacets.has(name) ? this.newFacets.get(name) : this.state.facets.get(name)?.value;
  }

  facets(): Record<string, Json> {
    const facets: Record<string, Json> = {};
    for (const [name, { value }] of this.state.facets) facets[name] = value;
    for (const [name, value] of this.newFacets) facets[name] = value;
    return facets;
  }

  conditionContext(extra: Record<string, Json> = {}): Json {
    const context = conditionContext(this.state, extra) as { facets: Record<string, Json> };
    for (const [name, value] of this.newFacets) context.facets[name] = value;
    return context;
  }

  /** Nodes accepted within this step. */
  get acceptedNodes(): string[] {
    return this.accepted.map((acceptance) => acceptance.nodeId);
  }

  /** Nodes still to be done when this step's acceptances count. */
  get unfinished(): number {
    return this.state.unfinished - this.accepted.length;
  }

  node(nodeId: string) {
    return nodeOf(this.state, nodeId)!;
  }

  get version(): number {
    return this.state.plan?.version ?? 0;
  }

  get size(): number {
    return this.events.length;
  }

  /** Nodes dispatched within this step. */
  readonly dispatched: string[] = [];
  get dispatches(): number {
    return this.dispatched.length;
  }

  /** Whether this step asks policies something. */
  asks = false;

  /** The decision's events; acceptances ride in the first event that can carry them. */
  finish(): NewEvent[] {
    if (this.accepted.length === 0) return this.events;
    const carrier = this.events.find((event) => carriers.has(event.type));
    // Anything that a reader must see after the results comes after their carrier.
    if (carrier && this.events.indexOf(carrier) === 0) {
      const data = carrier.data as { accepted?: Acceptance[] };
      data.accepted = [...this.accepted, ...(data.accepted ?? [])];
      return this.events;
    }
    const first = this.accepted[0]!;
    const completed: NewEvent = {
      type: 'node.completed',
      runId: this.state.runId,
      id: `${this.state.runId}:completed:${first.nodeId}:${first.attempt}`,
      data: { accepted: this.accepted },
    };
    return [completed, ...this.events];
  }
}
