/** TCP ports on the loopback interface: which are free, and whether something listens. */
import { randomInt } from 'node:crypto';
import { connect, createServer, type AddressInfo, type Server } from 'node:net';

const listen = (port: number): Promise<Server> =>
  new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen({ port, host: '127.0.0.1', exclusive: true }, () => resolve(server));
  });

const close = (server: Server): Promise<void> => new Promise((resolve) => server.close(() => resolve()));

/** Below the ports that systems give to outgoing connections: one of those could be taken before its server listens. */
const LOWEST = 10_000;
const HIGHEST = 32_767;
const ATTEMPTS = 1_000;

async function listenSomewhere(): Promise<Server> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await listen(randomInt(LOWEST, HIGHEST + 1));
    } catch (error) {
      if (attempt === ATTEMPTS) throw error;
    }
  }
}

/** `count` different ports that nothing listens on now. All are held until the last is known, so that none repeats. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(Array.from({ length: count }, listenSomewhere));
  const ports = servers.map((server) => (server.address() as AddressInfo).port);
  await Promise.all(servers.map(close));
  return ports;
}

export async function freePort(): Promise<number> {
  const [port] = await freePorts(1);
  return port as number;
}

/** Whether a server could listen on this port now. */
export async function isFree(port: number): Promise<boolean> {
  try {
    await close(await listen(port));
    return true;
  } catch {
    return false;
  }
}

/** Whether something accepts connections there. */
export const accepts = (port: number, host = '127.0.0.1', timeoutMs = 1_000): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect({ port, host });
    const answer = (value: boolean) => {
      socket.destroy();
      resolve(value);
    };
    socket.setTimeout(timeoutMs, () => answer(false));
    socket.once('connect', () => answer(true));
    socket.once('error', () => answer(false));
  });
