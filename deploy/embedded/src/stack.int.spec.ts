/** The stack's life, seen from outside: through the launcher's commands, with real servers and stand-in services. */
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { connect } from '@nats-io/transport-node';
import { isRunning } from './process-identity.js';
import { withoutSecrets } from './shown-url.js';
import { readState, type ProcessRecord, type StackState } from './stack-state.js';
import { freePorts } from './tcp-ports.js';
import { startNats, startPostgres, type TestNats, type TestPostgres } from './testing/index.js';
import { eventually, launcherEnvironment, newHome, processesOf, removeHome, run, start } from './testing/launcher.js';

const SERVICES = ['gateway', 'orchestrator', 'planner', 'policy', 'registry', 'worker'];

const names = (state: StackState): string[] => state.processes.map(({ name }) => name).sort();
const find = (state: StackState | undefined, name: string): ProcessRecord | undefined =>
  state?.processes.find((record) => record.name === name);

describe('the embedded stack', () => {
  let home: string;
  let postgres: TestPostgres;
  /** With a Postgres that is up already, a stack is up in a moment. */
  let env: NodeJS.ProcessEnv;

  beforeAll(async () => {
    postgres = await startPostgres();
  });
  afterAll(() => postgres.stop());
  beforeEach(() => {
    home = newHome();
    env = launcherEnvironment(home, { DATABASE_URL: postgres.url });
  });
  afterEach(async () => {
    await run(['down'], env);
    const left = processesOf(home);
    removeHome(home);
    expect(left).toEqual([]);
  });

  const up = async (args: string[] = [], environment = env): Promise<StackState> => {
    const { code, stderr, stdout } = await run(['up', '--detach', ...args], environment);
    expect({ code, stderr: code === 0 ? '' : stderr, stdout: code === 0 ? '' : stdout }).toEqual({
      code: 0,
      stderr: '',
      stdout: '',
    });
    return readState(home) as StackState;
  };

  it('comes up with its own servers, says so, and goes down without a trace', async () => {
    const own = launcherEnvironment(home);
    const state = await up([], own);
    expect(names(state)).toEqual([...SERVICES, 'nats', 'postgres'].sort());
    expect(state.processes.every(({ ready }) => ready)).toBe(true);

    const status = await run(['status', '--json'], own);
    expect(status.code).toBe(0);
    expect(JSON.parse(status.stdout)).toMatchObject({ home, phase: 'ready', ready: true, url: state.url });
    expect(status.stdout).not.toContain(new URL(state.databaseUrl).password);

    const environment = (await (await fetch(`${state.url}/environment`)).json()) as Record<string, string>;
    expect(environment).toMatchObject({
      FLEX_SERVICE: 'gateway',
      FLEX_INSTANCE: 'gateway-1',
      FLEX_HOME: home,
      NATS_URL: withoutSecrets(state.natsUrl),
      NATS_USER: 'gateway',
      DATABASE_URL: state.databaseUrl,
      PORT: new URL(state.url).port,
    });
    const bus = readFileSync(join(home, 'nats.conf'), 'utf8');
    expect(bus).toContain('sync_interval: always');
    const secrets = [state.natsUrl, `nats://_:${environment['NATS_PASSWORD']}@127.0.0.1`].map(
      (url) => new URL(url).password,
    );
    expect(new Set(secrets).size).toBe(2);
    for (const secret of secrets) expect(bus + status.stdout).not.toContain(secret);

    expect((await run(['up', '--detach'], own)).stdout).toContain('it was running already');
    expect((await run(['logs', 'worker'], own)).stdout).toBe('worker-1 begins\n');

    expect(await run(['down'], own)).toMatchObject({ code: 0, stdout: 'Flex is down.\n' });
    expect(processesOf(home)).toEqual([]);
    expect(readState(home)).toBeUndefined();
    expect(readFileSync(join(home, 'logs/postgres.log'), 'utf8')).toContain('database system is shut down');
    expect((await run(['status'], own)).code).toBe(3);
    expect((await run(['down'], own)).stdout).toBe('Nothing was running.\n');
  });

  it('lets an agent of anybody be a worker on the bus and nothing else, and nobody when there are keys', async () => {
    const mayPublish = async (url: string, subject: string): Promise<boolean> => {
      const { host, username: user, password: pass } = new URL(url);
      const nc = await connect({ servers: host, ...(user ? { user, pass } : {}) });
      try {
        await nc.request(subject, '{}', { timeout: 2_000 });
        return true;
      } catch (error) {
        if (/no responders/.test(String(error))) return true;
        if (/permissions violation/i.test(String(error))) return false;
        throw error;
      } finally {
        await nc.close();
      }
    };
    const { natsUrl } = await up(['--without', SERVICES.join(',')]);
    const anybody = withoutSecrets(natsUrl);
    expect(await mayPublish(anybody, 'node.reported.00.r.agent.write')).toBe(true);
    for (const subject of ['plan.generated.00.r', 'run.submitted.00.r', '$JS.API.STREAM.DELETE.FLEX']) {
      expect([subject, await mayPublish(anybody, subject)]).toEqual([subject, false]);
    }
    expect(await mayPublish(natsUrl, 'plan.generated.00.r')).toBe(true);
    await run(['down'], env);
    const closed = { ...env, FLEX_API_KEYS: '[]', FLEX_NATS_WORKER_PASSWORD: 'for-our-agents' };
    const locked = await up(['--without', SERVICES.join(',')], closed);
    await expect(connect({ servers: withoutSecrets(locked.natsUrl), reconnect: false })).rejects.toThrow(
      /authorization/i,
    );
    const nc = await connect({ servers: withoutSecrets(locked.natsUrl), user: 'worker', pass: 'for-our-agents' });
    await nc.close();
  });

  it('keeps its data from one life to the next', async () => {
    const own = launcherEnvironment(home);
    const first = await up(['--without', SERVICES.join(',')], own);
    const pg = (await import('pg')).default;
    const client = new pg.Client({ connectionString: first.databaseUrl });
    await client.connect();
    await client.query('create table kept (id int)');
    await client.end();
    await run(['down'], own);
    const second = await up(['--without', SERVICES.join(',')], own);
    const again = new pg.Client({ connectionString: second.databaseUrl });
    await again.connect();
    expect((await again.query('select count(*)::int as n from kept')).rows).toEqual([{ n: 0 }]);
    await again.end();
  });

  it('starts as many of each service as asked for', async () => {
    const state = await up(['--without', 'planner,policy', '--scale', 'worker=2,gateway=2']);
    expect(names(state)).toEqual([
      'gateway-1',
      'gateway-2',
      'nats',
      'orchestrator',
      'registry',
      'worker-1',
      'worker-2',
    ]);
    expect(find(state, 'gateway-1')?.port).toBe(Number(new URL(state.url).port));
  });

  it('restarts whatever crashes, alone, and at the same address where others rely on it', async () => {
    const before = await up();
    for (const name of ['worker', 'gateway', 'nats']) {
      const victim = find(before, name) as ProcessRecord;
      process.kill(victim.pid, 'SIGKILL');
      const successor = await eventually(`${name} is back`, () => {
        const now = find(readState(home), name);
        return now?.ready && now.pid !== victim.pid ? now : undefined;
      });
      expect(successor.restarts).toBe(1);
      if (name !== 'worker') expect(successor.port).toBe(victim.port);
    }
    expect(find(readState(home), 'planner')).toEqual(find(before, 'planner'));
  });

  it('lets a service that doesn’t drain not hold up the rest', async () => {
    const state = await up([], { ...env, FIXTURE_MOODS: 'policy=stubborn', FLEX_STOP_TIMEOUT: '1' });
    const begin = performance.now();
    await run(['down'], env);
    expect(performance.now() - begin).toBeLessThan(8_000);
    expect(isRunning(find(state, 'policy') as ProcessRecord)).toBe(false);
  });

  it('cleans up after a supervisor that was killed, on down as on up', async () => {
    const first = await up();
    process.kill(first.supervisor.pid, 'SIGKILL');
    await eventually('the supervisor is gone', () => !isRunning(first.supervisor));
    expect(JSON.parse((await run(['status', '--json'], env)).stdout)).toMatchObject({
      phase: 'orphaned',
      ready: false,
    });
    const second = await up();
    expect(first.processes.filter((record) => isRunning(record))).toEqual([]);

    process.kill(second.supervisor.pid, 'SIGKILL');
    await eventually('the supervisor is gone', () => !isRunning(second.supervisor));
    await run(['down'], env);
    expect(processesOf(home)).toEqual([]);
  });

  it('never signals a stranger that has got a process id of ours', async () => {
    const state = await up();
    await run(['down'], env);
    // As after a reboot: the state is still there, the ids belong to others.
    const stranger = { ...find(state, 'worker'), pid: process.pid } as ProcessRecord;
    writeFileSync(join(home, 'state.json'), JSON.stringify({ ...state, processes: [stranger] }));
    expect((await run(['down'], env)).stdout).toBe('Nothing was running.\n');
  });

  it('runs beside another stack, which takes other ports', async () => {
    const otherHome = newHome();
    const otherEnv = launcherEnvironment(otherHome, { DATABASE_URL: postgres.url });
    try {
      const one = await up();
      expect((await run(['up', '--detach'], otherEnv)).code).toBe(0);
      const other = readState(otherHome) as StackState;
      expect(other.url).not.toBe(one.url);
      expect(other.natsUrl).not.toBe(one.natsUrl);
      await run(['down'], otherEnv);
      expect((await run(['status'], env)).code).toBe(0);
    } finally {
      await run(['down'], otherEnv);
      removeHome(otherHome);
    }
  });

  it('is brought up once when two ask at the same time', async () => {
    const results = await Promise.all([run(['up', '--detach'], env), run(['up', '--detach'], env)]);
    expect(results.map(({ code }) => code)).toEqual([0, 0]);
    expect(processesOf(home).filter((line) => line.includes('nats-server'))).toHaveLength(1);
  });

  describe('refuses clearly, and leaves nothing running', () => {
    it.each(['FLEX_PORT', 'FLEX_NATS_PORT'])('when %s is taken', async (variable) => {
      const taken = createServer();
      const port = await new Promise<number>((resolve) =>
        taken.listen(0, '127.0.0.1', () => resolve((taken.address() as { port: number }).port)),
      );
      const result = await run(['up', '--detach'], { ...env, [variable]: String(port) });
      taken.close();
      expect(result.code).toBe(1);
      expect(result.stderr).toContain(`flex: port ${port} (${variable}) is taken\n`);
      expect(result.stderr).not.toContain('    at ');
      expect(processesOf(home)).toEqual([]);
    });

    it('when a service can’t start, with what it said last', async () => {
      const result = await run(['up', '--detach'], { ...env, FIXTURE_MOODS: 'planner=crash' });
      expect(result.code).toBe(1);
      expect(result.stderr).toContain('flex: planner ended with exit code 1');
      expect(result.stderr).toContain('FLEX_SOMETHING is missing');
      expect(processesOf(home)).toEqual([]);
    });

    it('when a service doesn’t get ready in time', async () => {
      // All of them: on a busy machine any may be the first to be late.
      const moods = SERVICES.map((service) => `${service}=never-ready`).join(',');
      const result = await run(['up', '--detach'], { ...env, FIXTURE_MOODS: moods, FLEX_START_TIMEOUT: '3' });
      expect(result.stderr).toMatch(/^flex: \w+ is not ready after 3 s$/m);
      expect(processesOf(home)).toEqual([]);
    });

    it.each([
      ['NATS_URL', 'nats://user:secret@127.0.0.1', 'no NATS server answers'],
      ['DATABASE_URL', 'postgres://user:secret@127.0.0.1', 'doesn’t serve'],
    ])('when %s leads nowhere', async (variable, prefix, reason) => {
      const [port] = await freePorts(1);
      const result = await run(['up', '--detach'], { ...env, [variable]: `${prefix}:${port}` });
      expect(result.code).toBe(1);
      expect(result.stderr.replaceAll("'", '’')).toContain(reason);
      expect(result.stderr).not.toContain('secret');
      expect(processesOf(home)).toEqual([]);
    });

    it('when NATS_SERVER_BIN is something else', async () => {
      const result = await run(['up', '--detach'], { ...env, NATS_SERVER_BIN: '/bin/true' });
      expect(result.code).toBe(1);
      expect(result.stderr).toContain('NATS_SERVER_BIN=/bin/true is not a nats-server');
    });

    it.each([
      [['--without', 'nonsense'], 'there is no service "nonsense"'],
      [['--scale', 'worker=many'], 'is not a whole number'],
      [['--fast'], 'doesn\'t know "--fast"'],
    ])('when asked for %j', async (args, reason) => {
      const result = await run(['up', '--detach', ...args], env);
      expect(result).toMatchObject({ code: 2, stdout: '' });
      expect(result.stderr).toContain(reason);
    });
  });

  describe('with servers that run already', () => {
    let nats: TestNats;
    beforeAll(async () => void (nats = await startNats()));
    afterAll(() => nats.stop());

    it('uses them and leaves them alone', async () => {
      const state = await up([], { ...env, NATS_URL: nats.url });
      expect(names(state)).toEqual(SERVICES);
      expect(state).toMatchObject({ natsUrl: nats.url, databaseUrl: postgres.url });
      await run(['down'], env);
      expect(nats.pid()).toBeDefined();
    });
  });

  describe('in the foreground', () => {
    it('lives until Ctrl-C', async () => {
      const { child, finished, stdout } = start(['up'], env);
      await eventually('it is up', () => stdout().includes('Ctrl-C stops it'));
      expect((await run(['status'], env)).code).toBe(0);
      child.kill('SIGINT');
      expect((await finished).code).toBe(0);
      expect(processesOf(home)).toEqual([]);
    });

    // Its own Postgres: creating the data folder is the longest of all that can be interrupted.
    it.each([30, 300, 700, 1_500])('leaves nothing when it is interrupted after %i ms', async (ms) => {
      const own = launcherEnvironment(home);
      const { child, finished } = start(['up', '--detach'], own);
      await new Promise((resolve) => setTimeout(resolve, ms));
      child.kill('SIGINT');
      const { code } = await finished;
      // It may have been up already.
      if (code === 0) await run(['down'], own);
      expect(processesOf(home)).toEqual([]);
      expect(readState(home)).toBeUndefined();
      const after = await run(['up', '--detach'], own);
      expect({ code: after.code, stderr: after.code === 0 ? '' : after.stderr }).toEqual({ code: 0, stderr: '' });
      await run(['down'], own);
    });

    it('cleans up after a supervisor that was killed while it created Postgres’ data', async () => {
      const own = launcherEnvironment(home);
      const { finished } = start(['up'], own);
      await eventually('initdb runs', () => find(readState(home), 'initdb'));
      process.kill((readState(home) as StackState).supervisor.pid, 'SIGKILL');
      expect((await finished).code).toBe(1);
      expect(names(await up([], own))).toContain('postgres');
    });

    it.each([300, 1_500])('leaves nothing when the launcher is killed after %i ms', async (ms) => {
      const { child, finished } = start(['up'], env);
      await new Promise((resolve) => setTimeout(resolve, ms));
      child.kill('SIGKILL');
      await finished;
      await eventually('everything has ended', () => processesOf(home).length === 0);
    });
  });
});
