import { randomInt } from 'node:crypto';
import { createServer, type AddressInfo, type Server } from 'node:net';
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

/**
 * Ports that were free a moment ago: a cluster has to know them before its servers start. Below those that systems give to
 * outgoing connections, which could take one meanwhile.
 */
async function freePorts(count: number): Promise<number[]> {
  const sockets = await Promise.all(Array.from({ length: count }, listenSomewhere));
  const ports = sockets.map((socket) => (socket.address() as AddressInfo).port);
  await Promise.all(sockets.map((socket) => new Promise((resolve) => socket.close(resolve))));
  return ports;
}

async function listenSomewhere(): Promise<Server> {
  for (;;) {
    const socket = createServer();
    const listening = new Promise<boolean>((resolve) => {
      socket.once('error', () => resolve(false));
      socket.listen({ port: randomInt(10_000, 32_768), host: '127.0.0.1', exclusive: true }, () => resolve(true));
    });
    if (await listening) return socket;
  }
}
