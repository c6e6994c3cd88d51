import { createHash } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { exportJWK, generateKeyPair, SignJWT, type CryptoKey } from 'jose';
import { connectNats, EventLog, readLogShape } from '@flex/events';
import { bootService, type RunningService } from '@flex/events/service';
import { startNats, startPostgres, type TestNats, type TestPostgres } from '@flex/embedded/testing';
import type { GatewayConfig } from './gateway-config.js';
import { gatewayService } from './gateway-service.js';
import { envelope, GatewayCaller, PlayedServices, until } from './testing/gateway-fixture.js';
import { readFrames } from './testing/sse-client.js';

const sha256 = (key: string): string => createHash('sha256').update(key).digest('hex');
const keys = [
  { id: 'red-all', sha256: sha256('red'), tenant: 'red', scopes: ['run', 'operate', 'register'] },
  { id: 'blue-all', sha256: sha256('blue'), tenant: 'blue', scopes: ['run', 'operate', 'register'] },
  { id: 'red-run', sha256: sha256('red-run'), tenant: 'red', scopes: ['run'] },
];

describe('a gateway with keys', () => {
  let nats: TestNats;
  let postgres: TestPostgres;
  let gateway: RunningService<GatewayConfig>;
  let jwks: Server;
  let signer: CryptoKey;
  let nc: Awaited<ReturnType<typeof connectNats>>;
  let played: PlayedServices;
  const anybody = new GatewayCaller(() => gateway);
  const bearer = (token: string): GatewayCaller => anybody.as({ authorization: `Bearer ${token}` });
  const red = bearer('red');
  const blue = bearer('blue');

  beforeAll(async () => {
    const { publicKey, privateKey } = await generateKeyPair('ES256');
    signer = privateKey;
    const jwk = { ...(await exportJWK(publicKey)), kid: 'one', alg: 'ES256' };
    jwks = createServer((_, response) => response.end(JSON.stringify({ keys: [jwk] })));
    await new Promise<void>((resolve) => jwks.listen(0, '127.0.0.1', resolve));
    [nats, postgres] = await Promise.all([startNats(), startPostgres()]);
    gateway = await bootService({
      ...gatewayService(),
      env: {
        NATS_URL: nats.url,
        DATABASE_URL: postgres.url,
        FLEX_LOG_LEVEL: 'silent',
        FLEX_API_KEYS: JSON.stringify(keys),
        FLEX_JWKS_URL: `http://127.0.0.1:${(jwks.address() as AddressInfo).port}/keys`,
        FLEX_JWT_ISSUER: 'https://id.example',
        FLEX_CORS_ORIGINS: 'https://app.example',
        FLEX_HOST: '0.0.0.0',
      },
    });
    nc = await connectNats({ url: nats.url, name: 'test' });
    played = new PlayedServices(new EventLog(nc, 'orchestrator', await readLogShape(nc)));
  });
  afterAll(async () => {
    await gateway.stop();
    await nc.close();
    jwks.closeAllConnections();
    jwks.close();
    await Promise.all([nats.stop(), postgres.stop()]);
  });

  const token = (claims: object, expires = '5m'): Promise<string> =>
    new SignJWT({ ...claims })
      .setProtectedHeader({ alg: 'ES256', kid: 'one' })
      .setIssuer('https://id.example')
      .setSubject('ann')
      .setExpirationTime(expires)
      .sign(signer);

  it('serves nobody unknown, before reading a body', async () => {
    for (const caller of [anybody, bearer('wrong'), bearer('a.b.c')]) {
      const response = await caller.post('/runs', envelope);
      expect(response.status).toBe(401);
      expect(response.headers.get('www-authenticate')).toBe('Bearer');
    }
    expect((await fetch(`${gateway.url}/health/live`)).status).toBe(200);
  });

  it('takes keys and signed tokens, and writes down who it was', async () => {
    const submitter = bearer(await token({ tenant: 'red', scope: 'flex:run openid' }));
    const runId = await submitter.submit();
    const { items } = await red.json<{ items: { data: Record<string, unknown> }[] }>(`/runs/${runId}/events`);
    expect(items[0]!.data).toMatchObject({ tenant: 'red', submittedBy: 'user:ann' });
    expect((await bearer(await token({ tenant: 'red', scope: 'run' }, '-1m')).get('/runs')).status).toBe(401);
    const { privateKey } = await generateKeyPair('ES256');
    const forged = await new SignJWT({ tenant: 'red', scope: 'admin' })
      .setProtectedHeader({ alg: 'ES256', kid: 'one' })
      .setIssuer('https://id.example')
      .setExpirationTime('5m')
      .sign(privateKey);
    expect((await bearer(forged).get('/runs')).status).toBe(401);
    expect((await bearer(await token({ tenant: '../x', scope: 'run' })).get('/runs')).status).toBe(401);
  });

  it('lets everybody do what his scopes say', async () => {
    const runId = await bearer('red-run').submit();
    expect((await bearer('red-run').post(`/runs/${runId}/cancel`)).status).toBe(403);
    expect((await bearer('red-run').get('/tasks')).status).toBe(403);
    expect((await bearer('red-run').post('/facets', { name: 'x', direction: 'input', schema: {} })).status).toBe(403);
    expect((await red.post(`/runs/${runId}/cancel`)).status).toBe(202);
  });

  it('keeps tenants apart in every read, stream, task and command', async () => {
    const runId = await red.submit({ ...envelope, metadata: { labels: { team: 'x' } } });
    const task = { taskId: `${runId}-1-1`, kind: 'approval', prompt: 'Fine?', onTimeout: 'none', round: 0 };
    await played.append('hitl.requested', runId, { task });
    await until(
      async () => (await red.json<{ items: unknown[] }>(`/tasks?runId=${runId}`)).items.length === 1,
      'the task',
    );
    const reads = ['', '/stream', '/events', '/plan', '/plan/versions', '/plan/diff', '/output', '/explain'].map(
      (what) => `/runs/${runId}${what}`,
    );
    for (const path of [...reads, `/tasks/${task.taskId}`])
      expect([path, (await blue.get(path)).status]).toEqual([path, 404]);
    for (const what of ['cancel', 'pause', 'resume', 'replan', 'fork'])
      expect((await blue.post(`/runs/${runId}/${what}`)).status).toBe(404);
    expect((await blue.post(`/runs/${runId}/signal`, { kind: 'message', message: 'x' })).status).toBe(404);
    expect((await blue.post('/run.resume', { runId, expectedPlanVersion: 1 })).status).toBe(404);
    expect((await blue.post(`/tasks/${task.taskId}/resolve`, { resolution: 'approve' })).status).toBe(404);
    expect((await blue.send('DELETE', `/runs/${runId}`)).status).toBe(404);
    expect((await blue.json<{ items: unknown[] }>('/runs')).items).toEqual([]);
    expect((await blue.json<{ items: unknown[] }>('/tasks?status=all')).items).toEqual([]);
    const many = await blue.get('/stream?label=team:x', { 'last-event-id': '1' });
    const own = await blue.submit({ ...envelope, metadata: { labels: { team: 'x' } } });
    const [first] = await readFrames(many, () => true);
    expect(first!.data.runId).toBe(own);
    // The same Idempotency-Key of two tenants is two keys.
    const keyed = async (caller: GatewayCaller) =>
      ((await (await caller.post('/runs', envelope, { 'idempotency-key': 'same' })).json()) as { runId: string }).runId;
    expect(await keyed(red)).not.toBe(await keyed(blue));
  });

  it('writes capabilities and facets of the own tenant only', async () => {
    const facet = { name: 'x', direction: 'input', schema: {}, tenant: 'blue' };
    expect((await red.post('/facets', facet)).status).toBe(403);
    expect((await red.post('/registry', { facets: [facet] })).status).toBe(403);
    expect((await red.get('/facets/x')).status).toBe(404);
  });

  it('answers browsers of known origins, and tells them to guess nothing', async () => {
    const preflight = await fetch(`${gateway.url}/api/v1/flex/runs`, {
      method: 'OPTIONS',
      headers: { origin: 'https://app.example' },
    });
    expect(preflight.status).toBe(204);
    expect(preflight.headers.get('access-control-allow-origin')).toBe('https://app.example');
    const other = await red.get('/runs', { origin: 'https://evil.example' });
    expect(other.headers.get('access-control-allow-origin')).toBeNull();
    expect(other.headers.get('x-content-type-options')).toBe('nosniff');
    expect(other.headers.get('x-powered-by')).toBeNull();
  });

  it('refuses to be open to everybody elsewhere than on loopback', async () => {
    const env = { NATS_URL: nats.url, DATABASE_URL: postgres.url, FLEX_LOG_LEVEL: 'silent', FLEX_HOST: '0.0.0.0' };
    await expect(bootService({ ...gatewayService(), env })).rejects.toThrow(/FLEX_API_KEYS/);
  });

  it('slows one tenant down without slowing another', async () => {
    const limited = await bootService({
      ...gatewayService(),
      env: {
        NATS_URL: nats.url,
        DATABASE_URL: postgres.url,
        FLEX_LOG_LEVEL: 'silent',
        FLEX_API_KEYS: JSON.stringify(keys),
        FLEX_RATE_LIMIT: '5',
      },
    });
    try {
      const at = (key: string) => new GatewayCaller(() => limited, { authorization: `Bearer ${key}` });
      const answers = await Promise.all(Array.from({ length: 40 }, () => at('red').get('/capabilities')));
      const refused = answers.filter((answer) => answer.status === 429);
      expect(refused.length).toBeGreaterThan(20);
      expect(Number(refused[0]!.headers.get('retry-after'))).toBeGreaterThanOrEqual(1);
      expect((await at('blue').get('/capabilities')).status).toBe(200);
    } finally {
      await limited.stop();
    }
  });
});
