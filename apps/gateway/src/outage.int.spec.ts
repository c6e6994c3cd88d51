import { bootService, type RunningService } from '@flex/events/service';
import { connect, createServer, type Server, type Socket } from 'node:net';
import type { AddressInfo } from 'node:net';
import type { GatewayConfig } from './gateway-config.js';
import { gatewayService } from './gateway-service.js';
import { envelope, GatewayCaller, PlayedServices, until } from './testing/gateway-fixture.js';
import { readFrames } from './testing/sse-client.js';
import { TestServers } from './testing/test-servers.js';

/** Stands between the gateway and Postgres, so that the database can go away without being stopped for others. */
class Wire {
  readonly #sockets = new Set<Socket>();
  #cut = false;
  readonly server: Server;

  constructor(target: URL) {
    this.server = createServer((client) => {
      if (this.#cut) return void client.destroy();
      const upstream = connect(Number(target.port), target.hostname);
      for (const socket of [client, upstream]) {
        this.#sockets.add(socket);
        socket.on('close', () => this.#sockets.delete(socket)).on('error', () => undefined);
      }
      client.pipe(upstream).pipe(client);
    });
  }

  set cut(cut: boolean) {
    this.#cut = cut;
    if (cut) for (const socket of this.#sockets) socket.destroy();
  }
}

describe('a gateway whose servers go away', () => {
  let servers: TestServers;
  let wire: Wire;
  let gateway: RunningService<GatewayConfig>;
  let played: PlayedServices;
  const api = new GatewayCaller(() => gateway);

  beforeAll(async () => {
    servers = await TestServers.start();
    const url = new URL(servers.postgres.url);
    wire = new Wire(new URL(servers.postgres.url));
    await new Promise<void>((resolve) => wire.server.listen(0, '127.0.0.1', resolve));
    url.hostname = '127.0.0.1';
    url.port = String((wire.server.address() as AddressInfo).port);
    gateway = await bootService({
      ...gatewayService(),
      env: {
        NATS_URL: servers.nats.url,
        DATABASE_URL: url.href,
        FLEX_LOG_LEVEL: process.env['FLEX_TEST_LOG'] ?? 'silent',
        FLEX_RETENTION_SECONDS: '2',
      },
    });
    played = await servers.play();
  });
  afterAll(async () => {
    await gateway.stop();
    wire.cut = true;
    wire.server.close();
    await servers.stop();
  });

  it('says so while NATS is away, keeps streams open, and loses nothing', async () => {
    const old = await api.submit();
    await played.finish(old);
    const runId = await api.submit();
    const stream = readFrames(await api.get(`/runs/${runId}/stream`));
    await played.dispatch(runId, 'a');
    await until(async () => (await played.log.lastSeq(`*.*.*.${old}`)) === 0, 'its way into the archive');
    await servers.nats.kill();
    await until(async () => (await api.post('/runs', envelope)).status === 503, 'the refusal');
    const refused = await api.post('/runs', envelope);
    expect(refused.headers.get('retry-after')).toBe('1');
    expect(await refused.json()).toMatchObject({ code: 'unavailable' });
    expect((await api.get(`/runs/${runId}`)).status).toBe(503);
    // What is archived needs no log.
    expect(await api.json(`/runs/${old}`)).toMatchObject({ status: 'completed' });
    expect((await api.post(`/runs/${runId}/cancel`)).status).toBe(503);
    expect((await fetch(`${gateway.url}/health/live`)).status).toBe(200);
    expect((await fetch(`${gateway.url}/health/ready`)).status).toBe(503);
    await servers.nats.restart();
    await until(async () => (await api.get(`/runs/${runId}`)).status === 200, 'the return');
    await played.append('node.reported', runId, { nodeId: 'a', attempt: 1, outputs: { copy: 'x' } }, 'agent.write');
    await played.append('run.completed', runId, { output: 'x', accepted: [{ nodeId: 'a', attempt: 1 }] });
    expect((await stream).map((frame) => frame.event)).toEqual(['start', 'node_start', 'node_complete', 'complete']);
  });

  it('takes tasks and streams open runs while Postgres is away, and catches up', async () => {
    wire.cut = true;
    const lists = await api.get('/runs');
    expect(lists.status).toBe(503);
    expect(lists.headers.get('retry-after')).not.toBeNull();
    const runId = await api.submit();
    const stream = readFrames(await api.get(`/runs/${runId}/stream`));
    await played.finish(runId);
    expect((await stream).at(-1)!.event).toBe('complete');
    expect((await api.get('/runs/unknown')).status).toBe(503);
    wire.cut = false;
    await until(async () => {
      const page = await api.get('/runs?status=completed');
      return (
        page.status === 200 &&
        ((await page.json()) as { items: { runId: string }[] }).items.some((run) => run.runId === runId)
      );
    }, 'the list');
  });
});
