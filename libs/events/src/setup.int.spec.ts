import { createServer } from 'node:net';
import type { AddressInfo, Server } from 'node:net';
import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { connectNats, ensureStreams, openEventLog, UnsuitableServer } from './index.js';
import { startNatsServer, type TestServer } from './testing/index.js';

jest.setTimeout(60_000);

describe('connecting', () => {
  let stop: (() => Promise<unknown>) | undefined;
  afterEach(async () => {
    await stop?.();
    stop = undefined;
  });
  const fault = async (url: string, options = {}): Promise<Error> => {
    const error = await connectNats({ url, name: 'test', connectTimeoutMs: 2_000, ...options }).catch(
      (e: unknown) => e,
    );
    expect(error).toBeInstanceOf(UnsuitableServer);
    expect((error as Error).message).not.toContain('\n');
    return error as Error;
  };

  it('says where nobody answers', async () => {
    expect((await fault('nats://user:secret@127.0.0.1:1')).message).toMatch(
      /^cannot reach NATS at nats:\/\/127\.0\.0\.1:1: /,
    );
  });

  it('says that JetStream is off', async () => {
    const server = await startNatsServer({ jetstream: false });
    stop = () => server.stop();
    expect((await fault(server.url)).message).toContain('JetStream disabled');
  });

  it('says that the credentials are wrong', async () => {
    const server = await startNatsServer({ config: 'authorization { user: flex, password: right }' });
    stop = () => server.stop();
    expect((await fault(server.url, { user: 'flex', pass: 'wrong' })).message).toMatch(/authorization/i);
    const nc = await connectNats({ url: server.url.replace('//', '//flex:right@'), name: 'test' });
    await nc.close();
  });

  it('says that the server is too old', async () => {
    const old = await serverOfVersion('2.10.27');
    stop = () => new Promise((resolve) => old.close(resolve));
    const { port } = old.address() as AddressInfo;
    const { message } = await fault(`nats://127.0.0.1:${port}`);
    expect(message).toContain('is version 2.10.27; Flex needs nats-server 2.12.0 or newer');
  });
});

describe('making the streams', () => {
  let server: TestServer;
  afterEach(() => server.stop());

  it('is safe when many services do it at once, and again later', async () => {
    server = await startNatsServer();
    const connections = await Promise.all(
      Array.from({ length: 6 }, (_, i) => connectNats({ url: server.url, name: `s${i}` })),
    );
    const shapes = await Promise.all(connections.map((nc) => ensureStreams(nc, { partitions: 8 })));
    for (const shape of shapes) expect(shape).toEqual({ partitions: 8, replicas: 1 });
    expect(await ensureStreams(connections[0]!, { partitions: 8 })).toEqual({ partitions: 8, replicas: 1 });
    await Promise.all(connections.map((nc) => nc.close()));
  });

  it('keeps the partition count of a log that exists, and says so', async () => {
    server = await startNatsServer();
    const nc = await connectNats({ url: server.url, name: 'test' });
    await ensureStreams(nc, { partitions: 8 });
    const shape = await ensureStreams(nc, { partitions: 32 });
    expect(shape).toMatchObject({ partitions: 8, warning: expect.stringContaining('configured 32 is ignored') });
    expect((await openEventLog({ nc, source: 'gateway' })).partitions).toBe(8);
    await nc.close();
  });

  it('refuses a stream of that name that is not ours, and a log that is not there', async () => {
    server = await startNatsServer();
    const nc = await connectNats({ url: server.url, name: 'test' });
    await expect(openEventLog({ nc, source: 'gateway' })).rejects.toThrow('does not exist yet');
    const { jetstreamManager } = await import('@nats-io/jetstream');
    await (await jetstreamManager(nc)).streams.add({ name: 'FLEX', subjects: ['run.>'] });
    await expect(ensureStreams(nc)).rejects.toThrow('not created by Flex');
    await nc.close();
  });
});

/** Something that introduces itself as a nats-server of a version, which is all that we look at. */
function serverOfVersion(version: string): Promise<Server> {
  const info = {
    server_id: 'x',
    version,
    proto: 1,
    host: '127.0.0.1',
    port: 0,
    headers: true,
    max_payload: 1048576,
    jetstream: true,
  };
  return new Promise((resolve) => {
    const server = createServer((socket) => {
      socket.write(`INFO ${JSON.stringify(info)}\r\n`);
      socket.on('data', (chunk) => {
        if (chunk.toString().includes('PING')) socket.write('PONG\r\n');
      });
      socket.on('error', () => undefined);
    });
    server.listen(0, '127.0.0.1', () => resolve(server));
  });
}
