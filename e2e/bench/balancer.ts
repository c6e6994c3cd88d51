import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';

/** In front of several replicas: each connection goes to the next one that takes it, as a service of Kubernetes does. */
export class Balancer {
  readonly #open = new Set<Socket>();
  #next = 0;

  private constructor(
    private readonly server: Server,
    private readonly ports: () => readonly number[],
  ) {
    server.on('connection', (client) => this.#connect(client));
  }

  /** `ports` is asked for each connection: replicas come and go. */
  static async start(ports: () => readonly number[]): Promise<Balancer> {
    const server = createServer();
    const balancer = new Balancer(server, ports);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return balancer;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  stop(): void {
    this.server.close();
    for (const socket of this.#open) socket.destroy();
  }

  #connect(client: Socket): void {
    this.#keep(client);
    const ports = this.ports();
    const first = this.#next++;
    const attempt = (tried: number): void => {
      if (client.destroyed || tried === ports.length) return void client.destroy();
      const replica = connect(ports[(first + tried) % ports.length]!, '127.0.0.1');
      this.#keep(replica);
      let connected = false;
      replica.once('connect', () => {
        connected = true;
        client.pipe(replica).pipe(client);
      });
      replica.once('close', () => (connected ? client.destroy() : attempt(tried + 1)));
      client.once('close', () => replica.destroy());
    };
    attempt(0);
  }

  #keep(socket: Socket): void {
    this.#open.add(socket);
    socket.on('error', () => undefined);
    socket.once('close', () => this.#open.delete(socket));
  }
}
