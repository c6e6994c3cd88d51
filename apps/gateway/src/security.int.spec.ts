import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, request, type IncomingMessage, type Server } from 'node:http';
import { request as secureRequest } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { jest } from '@jest/globals';
import type { AddressInfo } from 'node:net';
import { exportJWK, generateKeyPair, SignJWT, type CryptoKey } from 'jose';
import { LogClock } from '@flex/events';
import { bootService, type RunningService } from '@flex/events/service';
import type { GatewayConfig } from './gateway-config.js';
import { gatewayService } from './gateway-service.js';
import { envelope, GatewayCaller, until, type PlayedServices } from './testing/gateway-fixture.js';
import { readFrames } from './testing/sse-client.js';
import { TestServers } from './testing/test-servers.js';
import { certificate, privateKey } from './testing/tls-certificate.js';

const sha256 = (key: string): string => createHash('sha256').update(key).digest('hex');
const keys = [
  { id: 'red-all', sha256: sha256('red'), tenant: 'red', scopes: ['run', 'operate', 'register'] },
  { id: 'blue-all', sha256: sha256('blue'), tenant: 'blue', scopes: ['run', 'operate', 'register'] },
  { id: 'red-run', sha256: sha256('red-run'), tenant: 'red', scopes: ['run'] },
];

describe('a gateway with keys', () => {
  let servers: TestServers;
  let gateway: RunningService<GatewayConfig>;
  let jwks: Server;
  let signer: CryptoKey;
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
    servers = await TestServers.start();
    gateway = await bootService({
      ...gatewayService(),
      env: servers.env({
        FLEX_API_KEYS: JSON.stringify(keys),
        FLEX_JWKS_URL: `http://127.0.0.1:${(jwks.address() as AddressInfo).port}/keys`,
        FLEX_JWT_ISSUER: 'https://id.example',
        FLEX_CORS_ORIGINS: 'https://app.example',
        FLEX_HOST: '0.0.0.0',
      }),
    });
    played = await servers.play();
  });
  afterAll(async () => {
    await gateway.stop();
    jwks.closeAllConnections();
    jwks.close();
    await servers.stop();
  });

  const token = (claims: object, expires: string | null = '5m'): Promise<string> => {
    const made = new SignJWT({ ...claims })
      .setProtectedHeader({ alg: 'ES256', kid: 'one' })
      .setIssuer('https://id.example')
      .setSubject('ann');
    return (expires === null ? made : made.setExpirationTime(expires)).sign(signer);
  };

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
    const endless = await bearer(await token({ tenant: 'red', scope: 'run' }, null)).get('/runs');
    expect([endless.status, await endless.json()]).toMatchObject([401, { detail: expect.stringContaining('"exp"') }]);
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

  it('opens streams, and nothing else, to whoever has a ticket', async () => {
    const [runId, other] = [await red.submit(), await red.submit()];
    const ticketOf = async (body: object, from = red): Promise<string> =>
      ((await (await from.post('/stream.ticket', body)).json()) as { ticket: string }).ticket;
    const general = await ticketOf({});
    const bound = await ticketOf({ runId });
    const status = async (path: string): Promise<number> => {
      const response = await anybody.get(path);
      await response.body?.cancel();
      return response.status;
    };
    for (const ticket of [general, bound]) expect(await status(`/runs/${runId}/stream?ticket=${ticket}`)).toBe(200);
    expect(await status(`/runs/${other}/stream?ticket=${general}`)).toBe(200);
    expect(await status(`/stream?ticket=${general}`)).toBe(200);
    expect(await status(`/runs/${other}/stream?ticket=${bound}`)).toBe(401);
    expect(await status(`/stream?ticket=${bound}`)).toBe(401);
    expect(await status(`/runs/${runId}?ticket=${general}`)).toBe(401);
    expect((await anybody.post(`/run.stream?ticket=${general}`, envelope)).status).toBe(401);
    expect(await status(`/runs/${runId}/stream?ticket=${await ticketOf({}, blue)}`)).toBe(404);
    expect((await blue.post('/stream.ticket', { runId })).status).toBe(404);
    const [claims, signature] = general.split('.') as [string, string];
    const grown = { ...JSON.parse(Buffer.from(claims, 'base64url').toString()), tenant: 'blue' };
    const forged = `${Buffer.from(JSON.stringify(grown)).toString('base64url')}.${signature}`;
    for (const ticket of [forged, `${claims}.`, 'x', '']) {
      expect(await status(`/runs/${runId}/stream?ticket=${ticket}`)).toBe(401);
    }
    const right = LogClock.prototype.now;
    const later = jest.spyOn(LogClock.prototype, 'now').mockImplementation(function (this: LogClock) {
      return right.call(this) + 301_000;
    });
    try {
      expect(await status(`/runs/${runId}/stream?ticket=${general}`)).toBe(401);
    } finally {
      later.mockRestore();
    }
  });

  it('without keys answers to the names of this machine only', async () => {
    const env = servers.env();
    const open = await bootService({ ...gatewayService(), env });
    const asked = (host: string): Promise<number> =>
      new Promise((resolve, reject) => {
        const { hostname, port } = new URL(open.url);
        request({ hostname, port, path: '/api/v1/flex/runs', headers: { host } }, (response) => {
          response.resume();
          resolve(response.statusCode!);
        })
          .on('error', reject)
          .end();
      });
    try {
      expect(await Promise.all(['localhost:1', '127.0.0.1', '[::1]:7700'].map(asked))).toEqual([200, 200, 200]);
      expect(await Promise.all(['evil.example', 'localhost.evil.example', '10.0.0.1'].map(asked))).toEqual([
        403, 403, 403,
      ]);
    } finally {
      await open.stop();
    }
  });

  it('speaks TLS, and tells browsers to stay with it', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'flex-tls-'));
    const [cert, key] = [join(folder, 'cert.pem'), join(folder, 'key.pem')];
    writeFileSync(cert, certificate);
    writeFileSync(key, privateKey);
    const secure = await bootService({
      ...gatewayService(),
      env: servers.env({
        FLEX_TLS_CERT: cert,
        FLEX_TLS_KEY: key,
      }),
    });
    const { port } = new URL(secure.url);
    const answer = await new Promise<IncomingMessage>((resolve, reject) => {
      const options = { host: 'localhost', port, path: '/api/v1/flex/runs', ca: certificate };
      secureRequest(options, resolve).on('error', reject).end();
    });
    answer.resume();
    expect([secure.url.startsWith('https:'), answer.statusCode]).toEqual([true, 200]);
    expect(answer.headers['strict-transport-security']).toBe('max-age=31536000');
    await expect(fetch(`http://127.0.0.1:${port}/api/v1/flex/runs`)).rejects.toThrow();
    // What the image asks itself whether it is healthy.
    const dockerfile = readFileSync(new URL('../../../deploy/images/Dockerfile', import.meta.url), 'utf8');
    const [, ...check] = JSON.parse(/HEALTHCHECK[^[]*(\[.*\])/.exec(dockerfile)![1]!) as string[];
    const healthy = (env: NodeJS.ProcessEnv): Promise<boolean> =>
      new Promise((resolve) => execFile(process.execPath, check, { env }, (error) => resolve(!error)));
    expect(await healthy({ PORT: port, FLEX_TLS_CERT: cert })).toBe(true);
    expect(await healthy({ PORT: port })).toBe(false);
    expect(await healthy({ PORT: new URL(gateway.url).port })).toBe(true);
    await secure.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  it('refuses to be open to everybody elsewhere than on loopback', async () => {
    const env = servers.env({ FLEX_HOST: '0.0.0.0' });
    await expect(bootService({ ...gatewayService(), env })).rejects.toThrow(/FLEX_API_KEYS/);
  });

  it('refuses schemas that would hold up whoever compiles or applies them, and answers others meanwhile', async () => {
    const many = (count: number) =>
      Object.fromEntries(Array.from({ length: count }, (_, i) => [`property${i}`, { type: 'string', minLength: 1 }]));
    const task = (schema: object) => ({ objective: 'x', outputContract: { mode: 'json_schema', schema } });
    const slow = { $defs: { wide: { properties: many(100) } }, anyOf: Array(2_500).fill({ $ref: '#/$defs/wide' }) };
    const hostile: [object, string, RegExp][] = [
      [{ type: 'object', properties: { a: { pattern: '^(a+)+$' } } }, '/properties/a/pattern', /exponential/],
      [{ type: 'object', patternProperties: { '(a|a)*b': {} } }, '/patternProperties/(a|a)*b', /exponential/],
      [{ type: 'object', properties: many(5_000) }, '', /larger than 128 KiB/],
      [slow, '', /takes (longer than \d+ ms|more than \d+ MiB) to compile/],
    ];
    for (const [schema, pointer, message] of hostile) {
      for (const path of ['/runs', '/runs/validate']) {
        const judged = red.post(path, task(schema));
        const began = performance.now();
        expect((await blue.get('/runs?limit=1')).status).toBe(200);
        expect(performance.now() - began).toBeLessThan(5_000);
        const answer = await judged;
        expect(answer.status).toBe(path === '/runs' ? 422 : 200);
        const { errors } = (await answer.json()) as { errors: { pointer: string; message: string }[] };
        expect(errors[0]).toMatchObject({ pointer: `/outputContract/schema${pointer}` });
        expect(errors[0]!.message).toMatch(message);
      }
    }
  });

  it('slows one tenant down without slowing another', async () => {
    const limited = await bootService({
      ...gatewayService(),
      env: servers.env({
        FLEX_API_KEYS: JSON.stringify(keys),
        FLEX_RATE_LIMIT: '5',
      }),
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
