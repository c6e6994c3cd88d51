import type { NewEvent, RegistrySnapshot, StoredEvent } from '@flex/contracts';
import { decide } from '../core/decide.js';
import { evolve, initial } from '../core/evolve.js';
import type { RunState } from '../core/state.js';
import { stateFromText, stateToText } from '../core/stored-state.js';
import { defaultSettings } from '../core/step.js';
import type { SimulatedLog } from './simulated-log.js';

/** Of so many decisions one is looked at whether it left the state alone; not a divisor of what repeats. */
const LOOK_AT_EVERY = 101;

/** One replica that believes it owns the partition: folds, decides, and holds appends that are still on their way. */
export class SimulatedOwner {
  readonly runs = new Map<string, RunState>();
  readonly outbox: NewEvent[] = [];
  position = 0;
  readonly claim: number;
  fenced = false;
  /** Runs with own appends that have not come back. */
  readonly awaiting = new Map<string, number>();
  #decisions = 0;
  /** What this replica has written, by sequence: it folds its own data, and not a copy that came through the log. */
  readonly #own = new Map<number, NewEvent['data']>();

  constructor(
    private readonly log: SimulatedLog,
    readonly name: string,
    private readonly registry: RegistrySnapshot,
    snapshot?: { position: number; runs: string[] },
  ) {
    const before = log.claim;
    log.append(
      { type: 'partition.claimed', runId: '', id: `claim-${name}`, data: { owner: name, previous: before } },
      'orchestrator',
    );
    this.claim = log.claim;
    if (snapshot) {
      this.position = snapshot.position;
      for (const state of snapshot.runs.map(stateFromText)) this.runs.set(state.runId, state);
    }
  }

  snapshot(): { position: number; runs: string[] } {
    return { position: this.position, runs: [...this.runs.values()].map(stateToText) };
  }

  /** Folds some of what lies ahead. */
  fold(count: number): void {
    for (; count > 0 && this.position < this.log.events.length; count--) {
      const stored = this.log.events[this.position++]!;
      const own = this.#own.get(stored.seq);
      const event = own ? ({ ...stored, data: own } as StoredEvent) : stored;
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
    const before = ++this.#decisions % LOOK_AT_EVERY === 0 ? stateToText(state) : undefined;
    const events = decide(state, {
      now: this.log.time,
      registry: this.registry,
      settings: defaultSettings,
      together: () => true,
    });
    if (before !== undefined && before !== stateToText(state)) throw new Error('a decision changed the state');
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
    } else if (outcome === 'stored') {
      this.awaiting.set(event.runId, this.log.events.length);
      this.#own.set(this.log.events.length, deepFreeze(event.data));
    }
  }
}

/** Nobody may change what an event says: its writer goes on with the very same objects. */
function deepFreeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value;
  Object.freeze(value);
  for (const member of Object.values(value)) deepFreeze(member);
  return value;
}
