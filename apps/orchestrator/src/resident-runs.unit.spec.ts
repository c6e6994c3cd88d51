import type { StoredEvent } from '@flex/contracts';
import { initial } from './core/evolve.js';
import { ResidentRuns, RunMemory } from './resident-runs.js';

const adopt = (runs: ResidentRuns, runId: string, bytes: number) => {
  const state = initial({ runId, seq: 1, data: { envelope: {} } } as StoredEvent<'run.submitted'>);
  return runs.adopt({ ...state, seq: 1 }, 1, bytes);
};
const left = (runs: ResidentRuns): string[] => [...runs.values()].map(({ state }) => state.runId);

describe('runs in memory', () => {
  it('leave it, oldest first, when those of all partitions together weigh too much', () => {
    const memory = new RunMemory(100);
    const [one, other] = [new ResidentRuns(memory), new ResidentRuns(memory)];
    for (const runId of ['a', 'b', 'c']) adopt(one, runId, 30);
    one.evict();
    expect(left(one)).toEqual(['a', 'b', 'c']);
    adopt(other, 'd', 60);
    one.evict();
    expect(left(one)).toEqual(['c']);
    other.evict();
    expect(left(other)).toEqual(['d']);
  });

  it('stay while anything is under way for them, or Postgres has not got them as they are', () => {
    const runs = new ResidentRuns(new RunMemory(0));
    adopt(runs, 'appending', 9).pending = 1;
    adopt(runs, 'undecided', 9).dirty = true;
    adopt(runs, 'unread', 9).acked = 2;
    adopt(runs, 'unsaved', 9).state.seq = 2;
    adopt(runs, 'waiting', 9);
    runs.evict();
    expect(left(runs)).toEqual(['appending', 'undecided', 'unread', 'unsaved']);
  });

  it('stay while a batch is folded, whatever is saved meanwhile, and leave after it', async () => {
    const runs = new ResidentRuns(new RunMemory(0));
    adopt(runs, 'a', 9);
    await runs.holding(async () => {
      runs.evict();
      await Promise.resolve();
      adopt(runs, 'fetched', 9);
      expect(left(runs)).toEqual(['a', 'fetched']);
    });
    expect(left(runs)).toEqual([]);
  });

  it('weigh what their last snapshot did, and nothing once they are released or the partition has ended', () => {
    const memory = new RunMemory(50);
    const runs = new ResidentRuns(memory);
    const entry = adopt(runs, 'a', 10);
    runs.weigh(entry, 60);
    expect(memory.isFull).toBe(true);
    runs.release(entry);
    runs.release(entry);
    runs.weigh(entry, 1_000);
    expect(memory.isFull).toBe(false);
    const late = adopt(runs, 'b', 1_000);
    runs.end();
    runs.weigh(late, 1_000);
    runs.release(late);
    expect(memory.isFull).toBe(false);
    memory.add(50);
    expect(memory.isFull).toBe(false);
  });
});
