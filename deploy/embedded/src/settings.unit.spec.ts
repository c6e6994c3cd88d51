import { readChoices, readSettings } from './settings.js';

describe('what the operator decides', () => {
  it('has a usual value for everything', () => {
    expect(readSettings({})).toMatchObject({
      gateway: { port: 7700, explicit: false },
      sync: 'always',
      replicas: { gateway: 1, worker: 1 },
      natsUrl: undefined,
    });
  });

  it('takes an empty variable for one that isn’t set', () => {
    expect(readSettings({ FLEX_PORT: '', NATS_URL: '', FLEX_HOME: '' })).toEqual(readSettings({}));
  });

  it.each([
    [{ FLEX_PORT: '70000' }, 'FLEX_PORT=70000'],
    [{ FLEX_PORT: 'http' }, 'FLEX_PORT=http'],
    [{ FLEX_SYNC: 'sometimes' }, 'FLEX_SYNC=sometimes'],
    [{ FLEX_START_TIMEOUT: '0' }, 'FLEX_START_TIMEOUT=0'],
  ])('refuses %j', (env, reason) => {
    expect(() => readSettings(env)).toThrow(reason);
  });

  it('reads how many of which service, and leaves the rest of the line alone', () => {
    const line = ['--scale', 'worker=3,gateway=2', '--without=planner,policy', '--detach'];
    expect(readChoices(line)).toEqual({
      choices: { without: ['planner', 'policy'], scale: { worker: 3, gateway: 2 } },
      rest: ['--detach'],
    });
  });
});
