import { readdirSync, readFileSync } from 'node:fs';
import {
  catalogue,
  eventTypes,
  runCatalogue,
  upcast,
  UnknownVersion,
  validateEvent,
  type StoredEvent,
} from '@flex/contracts';
import { evolve, initial } from './evolve.js';

const folder = new URL('../../../../libs/contracts/golden/', import.meta.url);
interface Golden {
  type: string;
  version: number;
  id: string;
  runId: string;
  key?: string;
  data: unknown;
}
const read = (name: string) => JSON.parse(readFileSync(new URL(name, folder), 'utf8')) as Golden;
const files = readdirSync(folder);

describe('stored forms that must be readable for ever', () => {
  it('there is one for every version of every event', () => {
    const expected = eventTypes.flatMap((type) =>
      Array.from({ length: catalogue[type].version }, (_, i) => `${type}.v${i + 1}.json`),
    );
    expect(files.toSorted()).toEqual(expected.toSorted());
  });

  it.each(files)('%s is read by the current definition', (file) => {
    const golden = read(file);
    const data = upcast(golden.type, golden.version, golden.data);
    expect(validateEvent(golden.type, data)).toEqual([]);
  });

  it.each(files.filter((file) => Object.hasOwn(runCatalogue, file.replace(/\.v\d+\.json$/, ''))))(
    '%s folds',
    (file) => {
      const submitted = {
        ...read('run.submitted.v1.json'),
        seq: 1,
        time: 1,
        source: 'gateway',
      } as unknown as StoredEvent<'run.submitted'>;
      const state = initial(submitted);
      evolve(state, {
        ...read('plan.generated.v1.json'),
        seq: 2,
        time: 2,
        source: 'orchestrator',
      } as unknown as StoredEvent);
      evolve(state, { ...read(file), seq: 3, time: 3, source: 'any' } as unknown as StoredEvent);
      expect(state).toMatchObject({ seq: 3, time: 3 });
    },
  );

  it('a version that this code does not know is refused, not guessed', () => {
    expect(() => upcast('node.reported', 99, {})).toThrow(UnknownVersion);
    expect(() => upcast('node.unheard', 1, {})).toThrow(UnknownVersion);
  });
});
