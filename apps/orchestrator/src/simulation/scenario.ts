import type { EventData, NewEvent, RunEventType, StoredEvent, TaskEnvelope } from '@flex/contracts';
import { statusOf, type RunState } from '../core/state.js';
import { nextDue } from '../core/due.js';
import { SimulatedLog } from './simulated-log.js';
import { SimulatedOwner } from './simulated-owner.js';
import { registry as defaultRegistry } from './world.js';

/**
 * One run told as given / when / then: events of the other services go in, the orchestrator settles (decides until
 * nothing follows any more), and what it appended comes out. Settling again must change nothing: each step checks it.
 */
export class Scenario {
  readonly log = new SimulatedLog();
  readonly #owner: SimulatedOwner;
  #told = 0;

  constructor(
    envelope: Partial<TaskEnvelope> = {},
    readonly registry = defaultRegistry,
  ) {
    this.#owner = new SimulatedOwner(this.log, 'owner', registry);
    this.#told = this.log.events.length;
    this.given('run.submitted', {
      envelope: { objective: 'test', outputContract: { mode: 'facets', facets: ['text'] }, ...envelope },
      tenant: 'default',
      correlationId: 'c',
    });
  }

  /** Appends an event of another service and lets the orchestrator settle. */
  given<T extends RunEventType>(type: T, data: EventData<T>, key?: string): this {
    this.log.append({ type, runId: 'r', id: `${type}-${this.log.events.length}`, data, key } as NewEvent, 'test');
    this.#settle();
    return this;
  }

  report(nodeId: string, outputs: Record<string, unknown> | { error: EventData<'node.reported'>['error'] }): this {
    const dispatched = this.last('node.dispatched', (data) => data.nodeId === nodeId);
    if (!dispatched) throw new Error(`${nodeId} was not dispatched`);
    const result = 'error' in outputs ? { error: outputs['error'] } : { outputs };
    return this.given(
      'node.reported',
      { nodeId, attempt: dispatched.data.attempt, ...result } as EventData<'node.reported'>,
      dispatched.key,
    );
  }

  /** Answers the newest open question to the policies. */
  verdict(acts?: { policyId: string; action: EventData<'policy.triggered'>['action'] }): this {
    const { requestId, nodeId } = this.last('policy.requested')!.data;
    if (!acts) return this.given('policy.evaluated', { requestId, evaluations: [] });
    return this.given('policy.triggered', { requestId, nodeId, evaluations: [], ...acts });
  }

  /** Time passes until the next moment at which the run wants to be looked at. */
  wait(): this {
    const due = nextDue(this.state, this.log.time);
    this.log.time = due;
    this.state.due = Math.min(this.state.due, due);
    this.#settle();
    return this;
  }

  /** Types of what the orchestrator appended since the last time one asked. */
  then(): string[] {
    const types = this.log.events
      .slice(this.#told)
      .filter((event) => event.source === 'orchestrator')
      .map((event) => event.type);
    this.#told = this.log.events.length;
    return types;
  }

  last<T extends RunEventType>(
    type: T,
    where: (data: EventData<T>) => boolean = () => true,
  ): StoredEvent<T> | undefined {
    return this.log.events.findLast((event) => event.type === type && where(event.data as EventData<T>)) as unknown as
      StoredEvent<T> | undefined;
  }

  dispatched(): string[] {
    return this.log.events.flatMap((event) =>
      event.type === 'node.dispatched' ? [`${event.data.nodeId}#${event.data.attempt}`] : [],
    );
  }

  get state(): RunState {
    return this.#owner.runs.get('r')!;
  }

  get status(): string {
    return statusOf(this.state);
  }

  #settle(): void {
    for (let i = 0; i < 100; i++) {
      this.#owner.fold(10_000);
      if (this.#owner.decide('r').length === 0) return;
      while (this.#owner.outbox.length > 0) this.#owner.send();
    }
    throw new Error('the orchestrator does not come to rest');
  }
}
