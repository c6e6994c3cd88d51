import { connectNats, LOAD_SUBJECT } from '@flex/events';
import { bootService, type RunningService } from '@flex/events/service';
import type { GatewayConfig } from './gateway-config.js';
import { gatewayService } from './gateway-service.js';
import { envelope, GatewayCaller, until } from './testing/gateway-fixture.js';
import { TestServers } from './testing/test-servers.js';

describe('a gateway that is asked for too much', () => {
  let servers: TestServers;
  let gateway: RunningService<GatewayConfig>;
  const api = new GatewayCaller(() => gateway);

  beforeAll(async () => {
    servers = await TestServers.start();
    gateway = await bootService({
      ...gatewayService(),
      env: servers.env({
        // Five for one tenant, and room for another.
        FLEX_MAX_PENDING_SUBMISSIONS: '6',
        FLEX_MAX_BEHIND: '1000',
        FLEX_MAX_OPEN_RUNS: '9',
        FLEX_MAX_STREAMS: '4',
        FLEX_MAX_STREAMS_PER_TENANT: '3',
      }),
    });
  });
  afterAll(async () => {
    await gateway.stop();
    await servers.stop();
  });

  it('says when to come back, and keeps every run that it accepted', async () => {
    await api.submit();
    servers.nats.pause();
    const refused: Response[] = [];
    const asked = Array.from({ length: 20 }, async () => {
      const answer = await api.post('/runs', envelope);
      if (answer.status === 503) refused.push(answer);
      return answer;
    });
    await until(() => refused.length === 15, 'the refusals');
    expect(refused[0]!.headers.get('retry-after')).toBe('1');
    servers.nats.resume();
    const answers = await Promise.all(asked);
    const accepted = answers.filter((answer) => answer.status === 202);
    expect(accepted).toHaveLength(5);
    for (const answer of accepted) {
      const { runId } = (await answer.json()) as { runId: string };
      expect((await api.get(`/runs/${runId}`)).status).toBe(200);
    }
  });

  it('takes nothing in while the orchestrators are behind, and goes on when they have caught up', async () => {
    const nc = await connectNats({ url: servers.nats.url, name: 'orchestrator' });
    const tell = (lag: number) => nc.publish(LOAD_SUBJECT, JSON.stringify({ owner: 'one', lag }));
    tell(2_500);
    let refused!: Response;
    await until(async () => (refused = await api.post('/runs', envelope)).status === 503, 'the refusal');
    expect(refused.headers.get('retry-after')).toBe('3');
    expect(await refused.json()).toMatchObject({ detail: 'Too many tasks are waiting to be worked on' });
    tell(0);
    await until(async () => (await api.post('/runs', envelope)).status === 202, 'room');
    await nc.close();
  });

  it('bounds the open runs of a tenant, whatever they wait for', async () => {
    const refusals = new Set<unknown>();
    await until(async () => {
      const answer = await api.post('/runs', envelope);
      if (answer.status === 503) refusals.add(((await answer.json()) as { detail: unknown }).detail);
      return refusals.size > 0;
    }, 'the refusal');
    expect([...refusals]).toEqual(['Too many runs of this tenant are open']);
    const open = async () => (await api.json<{ items: unknown[] }>('/runs?status=open&limit=100')).items.length;
    await until(async () => (await open()) >= 9, 'nine of them');
  });

  it('bounds the streams of a tenant, and gives places back', async () => {
    const { items } = await api.json<{ items: { runId: string }[] }>('/runs?limit=1');
    const { runId } = items[0]!;
    const open = await Promise.all([1, 2, 3].map(() => api.get(`/runs/${runId}/stream`)));
    expect(open.map((stream) => stream.status)).toEqual([200, 200, 200]);
    const refused = await api.get(`/runs/${runId}/stream`);
    expect(refused.status).toBe(429);
    expect(refused.headers.get('retry-after')).toBe('5');
    await open[0]!.body!.cancel();
    let status = 0;
    for (let attempt = 0; attempt < 100 && status !== 200; attempt++) {
      const again = await api.get(`/runs/${runId}/stream`);
      status = again.status;
      if (status === 200) open.push(again);
      else await new Promise((resolve) => setTimeout(resolve, 20));
    }
    expect(status).toBe(200);
    await Promise.all(open.slice(1).map((stream) => stream.body!.cancel()));
  });

  it('publishes what it can be asked', async () => {
    const at = (path: string): Promise<Response> => fetch(gateway.url + path);
    expect(await (await at('/openapi.json')).json()).toMatchObject({
      openapi: expect.stringMatching(/^3\.1/) as string,
    });
    expect(await (await at('/asyncapi.json')).json()).toMatchObject({
      asyncapi: expect.stringMatching(/^3/) as string,
    });
    const page = await at('/docs');
    expect(page.headers.get('content-type')).toContain('text/html');
    expect(await page.text()).toContain('/api/v1/flex/run.stream');
  });
});
