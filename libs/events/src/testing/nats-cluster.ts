import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { startNatsServer, type TestServer } from './nats-server.js';

/** Some nats-servers on loopback that form a JetStream cluster. */
export interface TestCluster {
  readonly servers: TestServer[];
  /** All URLs, separated by commas. */
  readonly url: string;
  stop(): Promise<void>;
}

export async function startNatsCluster(size = 3): Promise<TestCluster> {
  const ports = await freePorts(size * 2);
  const routes = ports.slice(size).map((port) => `nats://127.0.0.1:${port}`);
  const servers = await Promise.all(
    ports.slice(0, size).map((port, i) =>
      startNatsServer({
        port,
        config: [
          `server_name: n${i}`,
          `cluster { name: test, listen: "127.0.0.1:${ports[size + i]}", routes: [${routes.map((url) => `"${url}"`).join(', ')}] }`,
        ].join('\n'),
      }),
    ),
  );
  return {
    servers,
    url: servers.map(({ url }) => url).join(','),
    stop: async () => void (await Promise.all(servers.map((server) => server.stop()))),
  };
}

/** Ports that were free a moment ago: a cluster has to know them before its servers start. */
async function freePorts(count: number): Promise<number[]> {
  const sockets = await Promise.all(
    Array.from(
      { length: count },
      () =>
        new Promise<ReturnType<typeof createServer>>((resolve, reject) => {
          const socket = createServer();
          socket.once('error', reject);
          socket.listen(0, '127.0.0.1', () => resolve(socket));
        }),
    ),
  );
  const ports = sockets.map((socket) => (socket.address() as AddressInfo).port);
  await Promise.all(sockets.map((socket) => new Promise((resolve) => socket.close(resolve))));
  return ports;
}
