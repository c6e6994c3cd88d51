import type { NewEvent, RunEventType } from '@flex/contracts';
import { eventDigest, type LogEvent } from '@flex/events';
import { initial } from '../core/evolve.js';
import { digestOf, fold } from '../fold-run.js';
import type { ToldEvent } from './history.js';
import { verify } from './verify.js';

const report = (attempt: number) => ({ nodeId: 'a', attempt, outputs: { copy: `number ${attempt}` } });

/** A history as the orchestrator chains it and the gateway tells it; the second report is by an agent in Python. */
function history(): ToldEvent[] {
  const events: ToldEvent[] = [];
  const add = (type: RunEventType, data: object, text = JSON.stringify(data)): LogEvent => {
    const seq = events.length * 10 + 10;
    const id = `${type}.${seq}`;
    const digest = eventDigest({ type, version: 1, runId: 'r', id, bytes: Buffer.from(text) });
    const told = { type, version: 1, runId: 'r', id, seq, time: seq, source: 'x', data, digest };
    events.push({ ...told, ...(text === JSON.stringify(data) ? {} : { text }) } as unknown as ToldEvent);
    return { ...told, digest: () => digest } as unknown as LogEvent;
  };
  const submitted = add('run.submitted', { envelope: {}, tenant: 'default', correlationId: 'r' });
  const state = initial(submitted as never);
  fold(state, submitted);
  fold(state, add('node.reported', report(1)));
  fold(
    state,
    add('node.reported', report(2), '{"nodeId": "a", "attempt": 2, "outputs": {"copy": "number\\u0020\\u0032"}}'),
  );
  const end = { type: 'run.completed', runId: 'r', id: 'run.completed.40', data: { output: { copy: 'number 2' } } };
  add('run.completed', { ...end.data, chain: { ...state.chain, seq: state.seq, own: digestOf(end as NewEvent) } });
  add('node.reported', report(3));
  return events;
}

/** Whoever alters a stored event can make its digest again. */
const forged = (event: ToldEvent, data: object): ToldEvent => {
  const { type, version, runId, id } = event;
  const digest = eventDigest({ type, version, runId, id, bytes: Buffer.from(JSON.stringify(data)) });
  return { ...event, data, digest, text: undefined } as unknown as ToldEvent;
};

describe('the history of a run', () => {
  it('is proven unaltered and complete, however its writers format what they say', () => {
    expect(verify(history())).toMatchObject({ verified: true, events: 3 });
  });

  it.each<[string, (events: ToldEvent[]) => unknown]>([
    ['whose data were altered', (events) => (events[1] = { ...events[1]!, data: report(7) } as ToldEvent)],
    ['whose data were altered, digest and all', (events) => (events[1] = forged(events[1]!, report(7)))],
    ['that shows other data than its text', (events) => (events[2] = { ...events[2]!, data: report(7) } as ToldEvent)],
    ['that lost its beginning', (events) => events.shift()],
    ['that lost an event', (events) => events.splice(1, 1)],
    ['that lost its end', (events) => events.splice(3)],
    ['in another order', (events) => events.splice(1, 2, events[2]!, events[1]!)],
    ['with an event too many', (events) => events.splice(2, 0, { ...events[1]!, seq: 25 })],
    [
      'with another output',
      (events) => (events[3] = forged(events[3]!, { ...events[3]!.data, output: { copy: 'forged' } })),
    ],
  ])('%s is not', (_what, alter) => {
    const events = history();
    alter(events);
    expect(verify(events)).toMatchObject({ verified: false, reason: expect.any(String) });
  });

  it('of a run that has not ended has nothing to be held against', () => {
    expect(verify(history().slice(0, 3))).toMatchObject({
      verified: false,
      reason: expect.stringContaining('not ended'),
    });
  });
});
