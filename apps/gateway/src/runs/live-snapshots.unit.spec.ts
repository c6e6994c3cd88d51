import type { RegistryMirror } from '@flex/events';
import { LiveSnapshots } from './live-snapshots.js';

/** A replica that has not heard of a facet yet; others have. */
function replica(published: string[], heard: string[]) {
  const facets = new Map<string, object>(heard.map((name) => [name, {}]));
  let asked = 0;
  const mirror = {
    snapshot: () => ({ facets }),
    catchUp: () => {
      asked += 1;
      const news = published.filter((name) => !facets.has(name));
      for (const name of news) facets.set(name, {});
      return Promise.resolve(news.length > 0);
    },
  } as unknown as RegistryMirror;
  const live = new LiveSnapshots(mirror);
  const knows = (name: string) =>
    live.judge(
      'default',
      ({ facets: known }) => known.has(name),
      (found) => found,
    );
  return { knows, asked: () => asked };
}

describe('what a replica says of the registry', () => {
  it('holds for what was published through another one a moment ago', async () => {
    const { knows } = replica(['old', 'new'], ['old']);
    expect(await knows('new')).toBe(true);
  });

  it('costs a look at the registry only before something is refused', async () => {
    const { knows, asked } = replica(['old'], ['old']);
    expect([await knows('old'), asked()]).toEqual([true, 0]);
    expect([await knows('none'), asked()]).toEqual([false, 1]);
  });
});
