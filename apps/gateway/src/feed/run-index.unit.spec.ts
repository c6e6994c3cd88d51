import { RunIndex } from './run-index.js';

const attached = (remembered?: number, patienceMs?: number): RunIndex => {
  const index = new RunIndex(remembered, patienceMs);
  index.attach(10);
  return index;
};

describe('RunIndex', () => {
  it('knows the places of a run that it saw begin', () => {
    const index = attached();
    index.saw('run.submitted', 'a', 11);
    index.saw('plan.requested', 'a', 12);
    index.saw('plan.generated', 'a', 14);
    expect(index.placesOf('a')).toEqual([11, 12, 14]);
  });

  it('claims to know nothing of a run that began before', () => {
    const index = attached();
    index.saw('node.reported', 'old', 11);
    expect(index.placesOf('old')).toBeUndefined();
  });

  it('says until when a run can have been submitted that it knows nothing of', () => {
    const index = attached(3);
    index.saw('run.submitted', 'a', 11);
    index.advance(11);
    expect([index.submittedBefore('a'), index.submittedBefore('never')]).toEqual([undefined, 10]);
    index.saw('run.submitted', 'b', 12);
    index.saw('node.reported', 'a', 13);
    index.saw('node.reported', 'a', 14);
    index.advance(14);
    expect(index.placesOf('a')).toBeUndefined();
    expect(index.submittedBefore('a')).toBe(14);
    index.detach();
    expect(index.submittedBefore('never')).toBeUndefined();
  });

  it('learns an older run from a reader, together with what came by meanwhile', () => {
    const index = attached();
    const gathered = index.begin('old')!;
    index.saw('node.reported', 'old', 11);
    index.saw('node.completed', 'old', 12);
    expect([index.placesOf('old'), index.begin('old')]).toEqual([undefined, undefined]);
    // The reader saw the first of the two as well.
    index.finish('old', gathered, [3, 7, 11]);
    expect(index.placesOf('old')).toEqual([3, 7, 11, 12]);
    index.saw('run.completed', 'old', 15);
    expect(index.placesOf('old')).toEqual([3, 7, 11, 12, 15]);
  });

  it('counts no message twice that a reader saw before a feed which is late', () => {
    const index = attached();
    const gathered = index.begin('old')!;
    index.saw('node.reported', 'old', 11);
    index.finish('old', gathered, [3, 11, 12, 15]);
    for (const seq of [12, 15, 17]) index.saw('node.reported', 'old', seq);
    expect(index.placesOf('old')).toEqual([3, 11, 12, 15, 17]);
  });

  it('takes a run that begins while it is looked up for a new one', () => {
    const index = attached();
    const gathered = index.begin('new')!;
    index.saw('run.submitted', 'new', 11);
    index.finish('new', gathered, []);
    expect(index.placesOf('new')).toEqual([11]);
  });

  it('learns nothing from a reader that failed, nor without a feed', () => {
    const index = attached();
    const gathered = index.begin('old')!;
    index.saw('node.reported', 'old', 11);
    index.finish('old', gathered, undefined);
    expect(index.placesOf('old')).toBeUndefined();
    index.detach();
    expect(index.begin('old')).toBeUndefined();
  });

  it('learns nothing from a reader that began before the feed ended: what came in between was missed', () => {
    const index = attached();
    const before = index.begin('old')!;
    index.detach();
    index.attach(20);
    const after = index.begin('old')!;
    index.finish('old', before, [3, 7]);
    expect(index.placesOf('old')).toBeUndefined();
    index.finish('old', after, [3, 7, 15]);
    expect(index.placesOf('old')).toEqual([3, 7, 15]);
  });

  it('forgets everything when the feed ends: what comes then is missed', async () => {
    const index = attached();
    index.saw('run.submitted', 'a', 11);
    const waiting = index.upTo(20);
    index.detach();
    expect([index.placesOf('a'), await waiting, await index.upTo(1)]).toEqual([undefined, false, false]);
  });

  it('says when everything up to a place was seen, and makes the feed hurry', async () => {
    const index = attached(undefined, 50);
    let hurried = 0;
    index.hurry = () => (hurried += 1);
    expect([await index.upTo(10), hurried]).toEqual([true, 0]);
    const waiting = index.upTo(12);
    expect(hurried).toBe(1);
    index.advance(11);
    index.advance(12);
    expect(await waiting).toBe(true);
    // A message that was taken out of the log before anybody could see it never comes.
    expect(await index.upTo(13)).toBe(false);
  });

  it('forgets the runs that it noticed first when there are too many places', () => {
    const index = attached(100);
    for (let run = 0; run < 40; run++) {
      for (let event = 0; event < 5; event++) {
        index.saw(event === 0 ? 'run.submitted' : 'node.reported', `run${run}`, 11 + run * 5 + event);
        index.advance(11 + run * 5 + event);
      }
    }
    const known = Array.from({ length: 40 }, (_, run) => index.placesOf(`run${run}`)?.length);
    expect(known.at(-1)).toBe(5);
    expect(known[0]).toBeUndefined();
    const held = known.filter((places) => places !== undefined).length;
    expect(held).toBeGreaterThanOrEqual(18);
    expect(held).toBeLessThanOrEqual(21);
  });
});
