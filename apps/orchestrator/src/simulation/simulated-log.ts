import type { NewEvent, StoredEvent } from '@flex/contracts';

/** The log as the core sees it: one order, ids stored once, decisions only under the last claim. */
export class SimulatedLog {
  readonly events: StoredEvent[] = [];
  readonly #ids = new Set<string>();
  claim = 0;
  time = 1_000_000;

  append(event: NewEvent, source: string, claim?: number): 'stored' | 'duplicate' | 'fenced' {
    if (claim !== undefined && claim !== this.claim) return 'fenced';
    if (this.#ids.has(event.id)) return 'duplicate';
    this.#ids.add(event.id);
    const seq = this.events.length + 1;
    this.time += 1;
    // Through JSON, as the real log: nothing of the writer's memory is shared with a reader.
    const stored = JSON.parse(JSON.stringify({ ...event, version: 1, seq, time: this.time, source })) as StoredEvent;
    this.events.push(stored);
    if (event.type === 'partition.claimed') this.claim = seq;
    return 'stored';
  }
}
