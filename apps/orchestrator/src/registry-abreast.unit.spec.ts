import { RegistryAbreast } from './registry-abreast.js';

/** A mirror that has seen a revision, and sees others when it is told to. */
class PlayedMirror {
  waiting: { revision: number; seen: () => void }[] = [];
  constructor(public revision: number) {}

  reached(revision: number, signal?: AbortSignal): Promise<void> {
    return new Promise((seen, reject) => {
      this.waiting.push({ revision, seen });
      signal?.addEventListener('abort', () => reject(signal.reason as Error));
    });
  }
}

describe('a registry that is at least as new as the one that the client saw', () => {
  it('is not waited for when it is', () => {
    const mirror = new PlayedMirror(7);
    const abreast = new RegistryAbreast(mirror);
    expect([abreast.reached(0), abreast.reached(7)]).toEqual([undefined, undefined]);
    expect(mirror.waiting).toEqual([]);
  });

  it('is waited for', async () => {
    const mirror = new PlayedMirror(7);
    let decided = false;
    const waiting = new RegistryAbreast(mirror).reached(8)!.then(() => (decided = true));
    await new Promise(setImmediate);
    expect(decided).toBe(false);
    mirror.waiting[0]!.seen();
    await waiting;
    expect(decided).toBe(true);
  });

  it('is waited for once when it never comes, as after the loss of the bucket', async () => {
    const abreast = new RegistryAbreast(new PlayedMirror(7), 5);
    await abreast.reached(1_000);
    expect([abreast.reached(1_000), abreast.reached(900)]).toEqual([undefined, undefined]);
    expect(abreast.reached(1_001)).toBeDefined();
  });
});
