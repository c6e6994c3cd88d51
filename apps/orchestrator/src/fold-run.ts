import { hash } from 'node:crypto';
import { definitionOf, type NewEvent, type StoredEvent } from '@flex/contracts';
import { eventDigest, type EventLog, type LogEvent } from '@flex/events';
import { evolve, initial } from './core/evolve.js';
import type { RunState } from './core/state.js';

/** Folds one event as it lies in the log: the run's hash chain grows by it, then its state. */
export function fold(state: RunState, event: LogEvent): void {
  state.chain = { head: hash('sha256', state.chain.head + event.digest(), 'hex'), count: state.chain.count + 1 };
  evolve(state, event as unknown as StoredEvent);
}

/** The digest of an event as it is about to be written. */
export const digestOf = ({ type, runId, id, data }: NewEvent): string =>
  eventDigest({ type, runId, id, version: definitionOf(type)!.version, bytes: Buffer.from(JSON.stringify(data)) });

/** A run's state from the log alone, as it was before a sequence; undefined when the log does not have its beginning. */
export async function refold(log: EventLog, runId: string, before: number): Promise<RunState | undefined> {
  let state: RunState | undefined;
  for await (const event of log.readRun(runId)) {
    if (event.seq >= before) break;
    if (event.type === 'run.submitted') state ??= initial(event as unknown as StoredEvent<'run.submitted'>);
    if (!state) return undefined;
    fold(state, event);
  }
  return state;
}
