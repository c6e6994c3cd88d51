import { deserialize, serialize } from 'node:v8';
import type { NewEvent, RegistrySnapshot } from '@flex/contracts';
import { decide } from '../core/decide.js';
import { evolve, initial } from '../core/evolve.js';
import type { RunState } from '../core/state.js';
import { defaultSettings } from '../core/step.js';
import type { SimulatedLog } from './simulated-log.js';

/** One replica that believes it owns the partition: folds, decides, and holds appends that are still on their way. */
export class SimulatedOwner {
  readonly runs = new Map<string, RunState>();
  readonly outbox: NewEvent[] = [];
  position = 0;
  readonly claim: number;
  fenced = false;
  /** Runs with own appends that have not come back. */
  readonly awaiting = new Map<string, number>();

  constructor(
    private readonly log: SimulatedLog,
    readonly name: string,
    private readonly registry: RegistrySnapshot,
    snapshot?: { position: number; runs: Buffer },
  ) {
    const before = log.claim;
    log.append(
      { type: 'partition.claimed', runId: '', id: `claim-${name}`, data: { owner: name, previous: before } },
      'orchestrator',
    );
    this.claim = log.claim;
    if (snapshot) {
      this.position = snapshot.position;
      for (const [runId, state] of deserialize(snapshot.runs) as Map<string, RunState>) this.runs.set(runId, state);
    }
  }

  snapshot(): { position: number; runs: Buffer } {
    return { position: this.position, runs: serialize(this.runs) };
  }

  /** Folds some of what lies ahead. */
  fold(count: number): void {
    for (; count > 0 && this.position < this.log.events.length; count--) {
      const event = this.log.events[this.position++]!;
      if (event.type === 'run.submitted') this.runs.set(event.runId, initial(event));
      const state = this.runs.get(event.runId);
      if (!state || event.runId === '') continue;
      evolve(state, event);
      const awaited = this.awaiting.get(event.runId);
      if (awaited !== undefined && awaited <= event.seq) this.awaiting.delete(event.runId);
    }
  }

  get behind(): boolean {
    return this.position < this.log.events.length;
  }

  /** Decides for one run, unless what it decided before has not come back yet. */
  decide(runId: string): NewEvent[] {
    if (this.position < this.claim) return [];
    const state = this.runs.get(runId);
    if (!state || state.ended || this.awaiting.has(runId) || this.outbox.some((event) => event.runId === runId))
      return [];
    const events = decide(state, { now: this.log.time, registry: this.registry, settings: defaultSettings });
    this.outbox.push(...events);
    return events;
  }

  /** Sends the oldest decision. */
  send(): void {
    const event = this.outbox.shift();
    if (!event) return;
    const outcome = this.log.append(event, 'orchestrator', this.claim);
    if (outcome === 'fenced') {
      this.fenced = true;
      this.outbox.length = 0;
    } else if (outcome === 'stored') this.awaiting.set(event.runId, this.log.events.length);
  }
}
