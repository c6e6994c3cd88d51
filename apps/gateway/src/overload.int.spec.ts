import { bootService, type RunningService } from '@flex/events/service';
import { startNats, startPostgres, type TestNats, type TestPostgres } from '@flex/embedded/testing';
import type { GatewayConfig } from './gateway-config.js';
import { gatewayService } from './gateway-service.js';
import { envelope, GatewayCaller, until } from './testing/gateway-fixture.js';

describe('a gateway that is asked for too much', () => {
  let nats: TestNats;
  let postgres: TestPostgres;
  let gateway: RunningService<GatewayConfig>;
  const api = new GatewayCaller(() => gateway);

  beforeAll(async () => {
    [nats, postgres] = await Promise.all([startNats(), startPostgres()]);
    gateway = await bootService({
      ...gatewayService(),
      env: {
        NATS_URL: nats.url,
        DATABASE_URL: postgres.url,
        FLEX_LOG_LEVEL: process.env['FLEX_TEST_LOG'] ?? 'silent',
        FLEX_MAX_PENDING_SUBMISSIONS: '5',
        FLEX_MAX_STREAMS: '4',
        FLEX_MAX_STREAMS_PER_TENANT: '3',
      },
    });
  });
  afterAll(async () => {
    await gateway.stop();
    await Promise.all([nats.stop(), postgres.stop()]);
  });

  it('says when to come back, and keeps every run that it accepted', async () => {
    await api.submit();
    nats.pause();
    const refused: Response[] = [];
    const asked = Array.from({ length: 20 }, async () => {
      const answer = await api.post('/runs', envelope);
      if (answer.status === 503) refused.push(answer);
      return answer;
    });
    await until(() => refused.length === 15, 'the refusals');
    expect(refused[0]!.headers.get('retry-after')).toBe('1');
    nats.resume();
    const answers = await Promise.all(asked);
    const accepted = answers.filter((answer) => answer.status === 202);
    expect(accepted).toHaveLength(5);
    for (const answer of accepted) {
      const { runId } = (await answer.json()) as { runId: string };
      expect((await api.get(`/runs/${runId}`)).status).toBe(200);
    }
  });

  it('bounds the streams of a tenant, and gives places back', async () => {
    const runId = await api.submit();
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
