import { Controller, Get, Module } from '@nestjs/common';
import { Rejection } from '@flex/contracts';
import { startNatsServer, type TestServer } from '../testing/nats-server.js';
import { bootService, type RunningService } from './boot-service.js';
import { ServiceConfig } from './configuration.js';
import { ServiceContext } from './context.js';

/** A request that ends when the test says so. */
const slow = (() => {
  let [begun, finish] = [(): void => undefined, (_: object): void => undefined];
  const started = new Promise<void>((resolve) => (begun = resolve));
  const end = new Promise<object>((resolve) => (finish = resolve));
  return { begun, finish, started, end };
})();

@Controller()
class ExampleController {
  constructor(private readonly service: ServiceContext) {}

  @Get('partitions')
  partitions(): { partitions: number } {
    return { partitions: this.service.shape.partitions };
  }

  @Get('slow')
  slow(): Promise<object> {
    slow.begun();
    return slow.end;
  }

  @Get('refused')
  refused(): never {
    throw new Rejection({ title: 'No', status: 422, code: 'nope', errors: [{ pointer: '/a', message: 'is wrong' }] });
  }

  @Get('broken')
  broken(): never {
    throw new Error('secret insides');
  }
}

@Module({ controllers: [ExampleController] })
class ExampleModule {}

const env = (server: TestServer): Record<string, string> => ({ NATS_URL: server.url, FLEX_LOG_LEVEL: 'silent' });
const get = async (service: RunningService, path: string) => {
  const response = await fetch(service.url + path);
  return {
    status: response.status,
    type: response.headers.get('content-type'),
    body: (await response.json()) as Record<string, unknown>,
  };
};

describe('a service', () => {
  let server: TestServer;
  beforeAll(async () => void (server = await startNatsServer()));
  afterAll(() => server.stop());

  it('boots, injects its context, answers probes and speaks problem details', async () => {
    const service = await bootService({
      name: 'example',
      config: ServiceConfig,
      module: ExampleModule,
      env: env(server),
    });
    try {
      expect(await get(service, '/partitions')).toMatchObject({ status: 200, body: { partitions: 16 } });
      // A proxy that keeps a connection for a minute never finds it closed here.
      const kept = (await fetch(`${service.url}/partitions`)).headers.get('keep-alive');
      expect(Number(/timeout=(\d+)/.exec(kept ?? '')?.[1])).toBeGreaterThan(60);
      expect(await get(service, '/health/live')).toMatchObject({ status: 200, body: { status: 'live' } });
      expect(await get(service, '/health/ready')).toMatchObject({ status: 200, body: { checks: { nats: 'ok' } } });
      service.context.readiness.add('caught up', () => Promise.reject(new Error('12 events behind')));
      expect(await get(service, '/health/ready')).toMatchObject({
        status: 503,
        body: { status: 'not ready', checks: { 'caught up': '12 events behind' } },
      });
      expect(await get(service, '/refused')).toMatchObject({
        status: 422,
        type: expect.stringContaining('application/problem+json'),
        body: { code: 'nope', errors: [{ pointer: '/a', message: 'is wrong' }] },
      });
      const broken = await get(service, '/broken');
      expect(broken).toMatchObject({ status: 500, body: { code: 'internal' } });
      expect(JSON.stringify(broken)).not.toContain('secret');
    } finally {
      await service.stop();
    }
  });

  it('finishes what is under way, and is not held up by the connection that its client would keep', async () => {
    const options = { name: 'example', config: ServiceConfig, module: ExampleModule, env: env(server) };
    const service = await bootService(options);
    const answer = get(service, '/slow');
    await slow.started;
    const began = performance.now();
    const stopped = service.stop();
    slow.finish({ done: true });
    expect(await answer).toMatchObject({ status: 200, body: { done: true } });
    expect(await stopped).toBe(true);
    // Three seconds are what is given to connections that do not end.
    expect(performance.now() - began).toBeLessThan(2_500);
  });

  it('drains in order, with NATS still there until the last of it', async () => {
    const service = await bootService({
      name: 'example',
      config: ServiceConfig,
      module: ExampleModule,
      env: env(server),
    });
    const { drain, nc } = service.context;
    const order: string[] = [];
    for (const phase of ['close', 'work', 'consume', 'accept'] as const) {
      drain.on(phase, phase, async () => {
        await nc.flush();
        order.push(phase);
      });
    }
    drain.on('work', 'a faulty step', () => Promise.reject(new Error('boom')));
    expect(await service.stop()).toBe(true);
    expect(order).toEqual(['accept', 'consume', 'work', 'close']);
    expect(nc.isClosed()).toBe(true);
    await expect(fetch(`${service.url}/health/live`)).rejects.toThrow();
  });

  it('is alive but not ready while it waits for NATS', async () => {
    await server.kill();
    const booting = bootService({
      name: 'example',
      config: ServiceConfig,
      module: ExampleModule,
      env: { ...env(server), PORT: '18591' },
    });
    const probe = async (path: string): Promise<number | undefined> =>
      fetch(`http://127.0.0.1:18591${path}`).then(
        (response) => response.status,
        () => undefined,
      );
    while ((await probe('/health/live')) !== 200) await new Promise((resolve) => setTimeout(resolve, 10));
    expect(await probe('/health/ready')).toBe(503);
    expect(await probe('/partitions')).toBe(503);
    await server.start();
    const service = await booting;
    expect(await probe('/partitions')).toBe(200);
    await service.stop();
  });

  it('gives up waiting when told so', async () => {
    const gone = new AbortController();
    const booting = bootService({
      name: 'example',
      config: ServiceConfig,
      module: ExampleModule,
      env: { NATS_URL: 'nats://127.0.0.1:1', FLEX_LOG_LEVEL: 'silent' },
      signal: gone.signal,
    });
    gone.abort();
    await expect(booting).rejects.toThrow();
  });
});
