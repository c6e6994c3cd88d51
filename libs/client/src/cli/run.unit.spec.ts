import type { Frame } from '@flex/contracts';
import { runCommand } from './main.js';
import { testChannels } from './testing/index.js';
import { frames, json, ScriptedGateway } from './testing/scripted-gateway.js';

const envelope = JSON.stringify({ objective: 'x', outputContract: { mode: 'freeform', instructions: 'y' } });
const frame = (id: number, type: Frame['type'], payload: Frame['payload'] = {}): Frame => ({
  type,
  id: String(id),
  timestamp: new Date(1_700_000_000_000 + id).toISOString(),
  runId: 'r1',
  correlationId: 'r1',
  payload,
});
const STREAM = 'POST /api/v1/flex/run.stream';
const RESUME = 'GET /api/v1/flex/runs/r1/stream';
const done = frame(9, 'complete', { status: 'completed', output: { answer: 42 } });

describe('flex run', () => {
  let gateway: ScriptedGateway;
  let env: NodeJS.ProcessEnv;
  beforeEach(async () => {
    gateway = new ScriptedGateway();
    env = { FLEX_URL: await gateway.start() };
  });
  afterEach(() => gateway.stop());

  const cli = async (words: string[], channels = testChannels(envelope)) => {
    const code = await runCommand(words, env, channels);
    return { code, out: channels.stdout.text(), err: channels.stderr.text() };
  };

  it('prints the output alone on stdout, and exits with 0', async () => {
    gateway.on(STREAM, frames([frame(1, 'start'), done]));
    const { code, out, err } = await cli(['run', '-']);
    expect(code).toBe(0);
    expect(JSON.parse(out)).toEqual({ answer: 42 });
    expect(err).toContain('run r1');
    expect(gateway.seen[0]?.body).toBe(envelope);
  });

  it('prints one frame per line with --json, and nothing else on stdout', async () => {
    const list = [frame(1, 'start'), frame(2, 'plan_requested', { attempt: 1 }), done];
    gateway.on(STREAM, frames(list));
    const { code, out } = await cli(['run', '-', '--json']);
    expect(code).toBe(0);
    expect(
      out
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as Frame),
    ).toEqual(list);
  });

  it('says nothing but the output with --quiet', async () => {
    gateway.on(STREAM, frames([frame(1, 'start'), done]));
    expect((await cli(['run', '-', '--quiet'])).err).toBe('');
  });

  it('says how to name a key to whoever has none', async () => {
    gateway.on(STREAM, json(401, { status: 401, code: 'unauthorized', title: 'Who is asking?', detail: 'No key' }));
    const { code, err } = await cli(['run', '-']);
    expect(code).toBe(1);
    expect(err).toBe('flex: No key\n  FLEX_API_KEY or --api-key says who is asking\n');
  });

  it('exits with 1 and the reason when the run failed', async () => {
    const error = {
      code: 'NO_PLAN',
      message: 'nothing makes the answer',
      diagnostics: [{ code: 'CAPABILITY_MISSING', message: 'for x' }],
    };
    gateway.on(STREAM, frames([frame(1, 'start'), frame(2, 'complete', { status: 'failed', error })]));
    const { code, out, err } = await cli(['run', '-']);
    expect(code).toBe(1);
    expect(out).toBe('');
    expect(err).toContain('run failed: nothing makes the answer (NO_PLAN)');
    expect(err).toContain('CAPABILITY_MISSING: for x');
  });

  it('exits with 2 and the pointers when the gateway refuses the envelope', async () => {
    const problem = {
      type: 'about:blank',
      title: 'The task cannot be accepted',
      status: 422,
      code: 'invalid_envelope',
    };
    gateway.on(STREAM, json(422, { ...problem, errors: [{ pointer: '/inputs/a', message: 'no such facet' }] }));
    const { code, err } = await cli(['run', '-']);
    expect(code).toBe(2);
    expect(err).toContain('The task cannot be accepted');
    expect(err).toContain('/inputs/a: no such facet');
  });

  it('takes up a lost connection behind the last frame, and shows none twice', async () => {
    gateway.on(STREAM, frames([frame(1, 'start'), frame(2, 'plan_requested')], 'cut'));
    // A gateway that repeats a frame, and one that is not there for a moment.
    gateway.on(
      RESUME,
      frames([], 'cut'),
      json(503, {}),
      frames([frame(2, 'plan_requested'), frame(3, 'node_start'), done]),
    );
    const { code, out } = await cli(['run', '-', '--json']);
    expect(code).toBe(0);
    expect(
      out
        .trim()
        .split('\n')
        .map((line) => (JSON.parse(line) as Frame).id),
    ).toEqual(['1', '2', '3', '9']);
    const resumed = gateway.seen.filter((request) => request.method === 'GET');
    expect(resumed.map((request) => request.headers['last-event-id'])).toEqual(['2', '2', '2']);
  });

  it('leaves the run going on at Ctrl-C, and says how to watch it again', async () => {
    gateway.on(STREAM, frames([frame(1, 'start')], 'hold'));
    const channels = testChannels(envelope);
    const write = channels.stderr.write.bind(channels.stderr);
    channels.stderr.write = (text) => {
      write(text);
      if (text.includes('run r1')) channels.interrupt();
    };
    const { code, err } = await cli(['run', '-'], channels);
    expect(code).toBe(130);
    expect(err).toContain('flex watch r1');
  });

  it('sends the same idempotency key that the user gave, and the API key', async () => {
    env['FLEX_API_KEY'] = 'secret';
    gateway.on('POST /api/v1/flex/runs', json(202, { runId: 'r1', status: 'submitted', links: {} }));
    const { code, out } = await cli(['run', '-', '--detach', '--idempotency-key', 'k1']);
    expect(code).toBe(0);
    expect(out.trim()).toBe('r1');
    expect(gateway.seen[0]?.headers).toMatchObject({ 'idempotency-key': 'k1', authorization: 'Bearer secret' });
  });

  it('does not hang on a gateway that answers something else', async () => {
    gateway.on(STREAM, (_request, response) => void response.writeHead(500).end('<html>oops</html>'));
    const { code, err } = await cli(['run', '-']);
    expect(code).toBe(1);
    expect(err).toContain('the gateway answered 500');
  });
});

describe('other commands', () => {
  let gateway: ScriptedGateway;
  let env: NodeJS.ProcessEnv;
  beforeEach(async () => {
    gateway = new ScriptedGateway();
    env = { FLEX_URL: await gateway.start() };
  });
  afterEach(() => gateway.stop());
  const cli = async (...words: string[]) => {
    const channels = testChannels();
    return { code: await runCommand(words, env, channels), out: channels.stdout.text(), err: channels.stderr.text() };
  };

  it('lists runs over several pages, up to the limit', async () => {
    const run = (runId: string) => ({
      runId,
      status: 'running',
      objective: 'o',
      openTasks: 0,
      submittedAt: new Date().toISOString(),
      labels: {},
    });
    gateway.on(
      'GET /api/v1/flex/runs',
      json(200, { items: [run('a'), run('b')], next: 'c1' }),
      json(200, { items: [run('c'), run('d')], next: 'c2' }),
    );
    const { code, out } = await cli('runs', '--json', '--limit', '3', '--label', 'team=x');
    expect(code).toBe(0);
    expect(
      out
        .trim()
        .split('\n')
        .map((line) => (JSON.parse(line) as { runId: string }).runId),
    ).toEqual(['a', 'b', 'c']);
    expect(gateway.seen[0]?.path).toContain('label=team%3Ax');
    expect(gateway.seen[1]?.path).toContain('cursor=c1');
  });

  it('answers a task, and shows a conflict as one line with exit code 1', async () => {
    gateway.on(
      'POST /api/v1/flex/tasks/r1-1-0/resolve',
      json(202, {}),
      json(409, { title: 'The task was answered already', status: 409, code: 'task_closed' }),
    );
    expect(await cli('tasks', 'approve', 'r1-1-0', '--comment', 'go')).toMatchObject({
      code: 0,
      out: 'answered r1-1-0: approve\n',
    });
    expect(JSON.parse(gateway.seen[0]!.body)).toEqual({ resolution: 'approve', comment: 'go' });
    expect(await cli('tasks', 'approve', 'r1-1-0')).toMatchObject({
      code: 1,
      err: 'flex: The task was answered already\n',
    });
  });

  it('shows what changed between two versions of a plan', async () => {
    const node = (id: string) => ({ id, kind: 'execution', label: id, capabilityId: `a.${id}` });
    const plans = (version: number, ids: string[]) =>
      json(200, { version, nodes: ids.map(node), edges: [], cause: { kind: 'initial' }, metadata: {} });
    gateway.on(
      'GET /api/v1/flex/runs/r1/plan/diff',
      json(200, { added: ['c'], removed: ['b'], changed: [], edgesAdded: [], edgesRemoved: [] }),
    );
    gateway.on('GET /api/v1/flex/runs/r1/plan', (seen, response) =>
      plans(1, seen.path.endsWith('=1') ? ['a', 'b'] : ['a', 'c'])(seen, response),
    );
    const { out } = await cli('plan', 'r1', '--diff', '1..2');
    expect(out.split('\n').map((line) => line.slice(0, 3).trim())).toEqual(['pla', 'a', '+ c', '- b', '']);
  });
});
