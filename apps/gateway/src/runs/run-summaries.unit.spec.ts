import type { StoredEvent } from '@flex/contracts';
import { RunSummaries } from './run-summaries.js';

const event = (type: string, seq: number, data: object): StoredEvent =>
  ({
    type,
    runId: 'r',
    id: `${seq}`,
    seq,
    time: seq,
    version: 1,
    data,
    source: 'orchestrator',
  }) as unknown as StoredEvent;
const submitted = event('run.submitted', 1, { tenant: 't', correlationId: 'r', envelope: { objective: 'o' } });

/** A log whose places are known, or not. */
class Told {
  readonly asked: (number | 'whole')[] = [];
  known = true;
  constructor(readonly events: StoredEvent[]) {}
  async since(_: string, seq: number): Promise<StoredEvent[] | undefined> {
    if (!this.known) return undefined;
    this.asked.push(seq);
    return this.events.filter((candidate) => candidate.seq > seq);
  }
  async *read(): AsyncGenerator<StoredEvent> {
    this.asked.push('whole');
    yield* this.events;
  }
}

describe('RunSummaries', () => {
  it('reads a run once, then only what is new', async () => {
    const told = new Told([submitted]);
    const summaries = new RunSummaries(told);
    expect((await summaries.of('r')).status).toBe('submitted');
    told.events.push(event('run.paused', 5, { by: 'me' }));
    expect((await summaries.of('r')).status).toBe('paused');
    expect((await summaries.of('r')).lastSeq).toBe(5);
    expect(told.asked).toEqual([0, 1, 5]);
  });

  it('folds the same events once when two ask at the same time', async () => {
    const told = new Told([submitted, event('plan.requested', 2, {})]);
    const summaries = new RunSummaries(told);
    const first = await Promise.all([summaries.of('r'), summaries.of('r')]);
    expect(first.map(({ planAttempts }) => planAttempts)).toEqual([1, 1]);
    told.events.push(event('plan.requested', 3, {}));
    const [third, fourth] = await Promise.all([summaries.of('r'), summaries.of('r')]);
    expect([third.planAttempts, fourth.planAttempts]).toEqual([2, 2]);
    expect(third).toBe(fourth);
  });

  it('reads the whole history where the places are not known, and goes on from there when they are', async () => {
    const told = new Told([submitted]);
    told.known = false;
    const summaries = new RunSummaries(told);
    expect((await summaries.of('r')).firstSeq).toBe(1);
    told.known = true;
    told.events.push(event('run.paused', 5, { by: 'me' }));
    expect((await summaries.of('r')).status).toBe('paused');
    expect(told.asked).toEqual(['whole', 1]);
  });

  it('forgets a run that has grown beyond what may be held, as any other', async () => {
    const told = new Told([submitted]);
    const summaries = new RunSummaries(told, 3_000);
    await summaries.of('r');
    for (const seq of [2, 3]) {
      told.events.push(event('plan.requested', seq, {}));
      await summaries.of('r');
    }
    expect((await summaries.of('r')).planAttempts).toBe(2);
    expect(told.asked).toEqual([0, 1, 2, 0]);
  });

  it('holds nothing of a run that was deleted', async () => {
    const told = new Told([submitted]);
    const summaries = new RunSummaries(told);
    await summaries.of('r');
    told.events.push(event('run.deleted', 5, {}));
    expect((await summaries.of('r')).deleted).toBe(true);
    await summaries.of('r');
    expect(told.asked).toEqual([0, 1, 0]);
  });

  it('remembers nothing of a run that is not there', async () => {
    const told = new Told([]);
    told.known = false;
    const summaries = new RunSummaries(told);
    expect((await summaries.of('r')).firstSeq).toBe(0);
    expect((await summaries.of('r')).firstSeq).toBe(0);
    expect(told.asked).toEqual(['whole', 'whole']);
  });
});
