import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { NewEvent } from '@flex/contracts';
import { connectNats, ensureStreams, EventLog } from '@flex/events';
import { startNatsServer, type TestServer } from '@flex/events/testing';
import { defineCapability, startWorker, type RunningWorker } from '@flex/worker-sdk';
import { CHECKOUT } from './checkout.js';

const SCRIPT = join(CHECKOUT, 'deploy/scripts/write-nats-users.mjs');
const AGENTS = [
  { user: 'writer', capabilities: ['agents.write'], publishesFacets: true },
  { user: 'acme-reviewer', tenant: 'acme', capabilities: ['agents.review'] },
];
const quiet = { info: () => undefined, warn: () => undefined };

/** What deploy/scripts/write-nats-users.mjs prints, on a real server, with the SDK. */
describe('a user for each agent', () => {
  const folder = mkdtempSync(join(tmpdir(), 'flex-agents-'));
  const file = join(folder, 'agents.json');
  let server: TestServer;

  beforeAll(async () => {
    writeFileSync(file, JSON.stringify(AGENTS));
    const config = execFileSync(process.execPath, [SCRIPT, '--agents', file], { encoding: 'utf8' });
    // As the server's environment would say it.
    server = await startNatsServer({ config: config.replaceAll(/password: \$(\w+)_PASSWORD/g, 'password: "of-$1"') });
  });
  afterAll(async () => {
    await server?.stop();
    rmSync(folder, { recursive: true, force: true });
  });
  const connect = (user: string) =>
    connectNats({
      url: server.url,
      name: user,
      user,
      pass: `of-${user.toUpperCase().replaceAll('-', '_')}`,
      inboxPrefix: `_INBOX_${user}`,
    });

  it('lets it register, beat, work and report, with a user for its own capability', async () => {
    const [platform, registry] = await Promise.all([connect('orchestrator'), connect('registry')]);
    const shape = await ensureStreams(platform);
    const asked: string[] = [];
    registry.subscribe('flex.registry.>', {
      callback: (_, message) => {
        asked.push(message.subject);
        message.respond('{"revision":1}');
      },
    });
    const log = new EventLog(platform, 'orchestrator', shape);
    const workers: RunningWorker[] = [];
    const nc = [];
    for (const { user, tenant, capabilities } of AGENTS) {
      const connection = await connect(user);
      nc.push(connection);
      const about = { displayName: user, version: '1', kind: 'execution', agentType: 'ai' } as const;
      const capability = { ...about, capabilityId: capabilities[0]!, tenant, inputFacets: [], outputFacets: ['copy'] };
      const facets = tenant ? [] : [{ name: 'copy', direction: 'output' as const, schema: { type: 'string' } }];
      workers.push(
        await startWorker({
          nc: connection,
          capabilities: [defineCapability(capability, () => ({ copy: `from ${user}` }))],
          facets,
          signals: false,
          logger: quiet,
        }),
      );
    }
    expect(asked.sort()).toEqual([
      'flex.registry.publishFacets.default',
      'flex.registry.register.acme.agents.review',
      'flex.registry.register.default.agents.write',
    ]);
    const reports = log.tail({ filters: ['node.reported.>'] });
    const copies: unknown[] = [];
    for (const [runId, key] of [
      ['r1', 'agents.write'],
      ['r2', '~acme.agents.review'],
    ] as const) {
      await log.append(dispatch(runId, key));
      const [report] = (await reports.next())!;
      copies.push([report!.key, (report!.data as { outputs: unknown }).outputs]);
    }
    expect(copies).toEqual([
      ['agents.write', { copy: 'from writer' }],
      ['~acme.agents.review', { copy: 'from acme-reviewer' }],
    ]);
    reports.close();
    await Promise.all(workers.map((worker) => worker.stop()));
    await Promise.all([...nc, platform, registry].map((connection) => connection.close()));
  });

  it('refuses a file that would make a user of the platform, or one without capabilities', () => {
    for (const [list, reason] of [
      [[{ user: 'gateway', capabilities: ['a.b'] }], '/0/user must be a name of its own'],
      [[{ user: 'x', capabilities: [] }], '/0/capabilities must be a list of capability ids'],
      [[{ user: 'x', capabilities: ['a.>'] }], '/0/capabilities must be a list of capability ids'],
    ] as const) {
      writeFileSync(file, JSON.stringify(list));
      const { status, stderr, stdout } = spawnSync(process.execPath, [SCRIPT, '--agents', file], { encoding: 'utf8' });
      expect([status, stdout]).toEqual([2, '']);
      expect(stderr).toContain(reason);
    }
  });
});

const dispatch = (runId: string, key: string): NewEvent<'node.dispatched'> => ({
  type: 'node.dispatched',
  runId,
  id: `${runId}.dispatch`,
  key,
  data: {
    nodeId: 'n',
    attempt: 1,
    planVersion: 1,
    capabilityId: key.replace('~acme.', ''),
    kind: 'execution',
    inputs: {},
    outputFacets: ['copy'],
    timeoutMs: 5_000,
    idempotencyKey: runId,
  },
});
