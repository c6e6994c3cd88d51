import { ServedTogether } from './served-together.js';

describe('capabilities that one process serves', () => {
  it('are known by what its workers report, both ways, and not across processes', () => {
    const served = new ServedTogether();
    for (const [worker, key] of [
      ['w1', 'a'],
      ['w1', 'b'],
      ['w2', 'c'],
      ['w1', 'a'],
      [undefined, 'c'],
    ] as const)
      served.note(worker, key);
    expect([served.has('a', 'b'), served.has('b', 'a')]).toEqual([true, true]);
    expect([served.has('a', 'c'), served.has('c', 'b'), served.has('a', 'a')]).toEqual([false, false, false]);
  });

  it('are forgotten with the process that was noticed first', () => {
    const served = new ServedTogether();
    served.note('first', 'a');
    served.note('first', 'b');
    for (let i = 0; i < 1_000; i++) served.note(`w${i}`, 'c');
    expect(served.has('a', 'b')).toBe(false);
    served.note('w999', 'd');
    expect(served.has('c', 'd')).toBe(true);
  });
});
