import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';

/** One direction of one connection: bytes keep their order, whatever happens to them. */
class Lane {
  #held: Buffer[] = [];
  #timer: NodeJS.Timeout | undefined;
  holding = false;

  constructor(
    private readonly to: Socket,
    private readonly delayMs: () => number,
  ) {}

  push(bytes: Buffer): void {
    if (!this.holding && !this.#timer && this.#held.length === 0 && this.delayMs() === 0) {
      this.to.write(bytes);
      return;
    }
    this.#held.push(bytes);
    this.pump();
  }

  pump(): void {
    if (this.holding || this.#timer || this.#held.length === 0) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      if (this.holding) return;
      const bytes = Buffer.concat(this.#held.splice(0));
      if (!this.to.destroyed) this.to.write(bytes);
    }, this.delayMs());
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#held = [];
  }
}

interface Link {
  near: Socket;
  far: Socket;
  lanes: Lane[];
}

/** A network between clients and one server that does what networks do: it delays, cuts, and holds connections. */
export class TcpProxy {
  readonly #links = new Set<Link>();
  readonly #server: Server;
  /** How long the next bytes are under way; zero by default. */
  delayMs: () => number = () => 0;

  private constructor(private readonly target: number) {
    this.#server = createServer((near) => this.#accept(near));
  }

  static async start(target: number): Promise<TcpProxy> {
    const proxy = new TcpProxy(target);
    await new Promise<void>((resolve) => proxy.#server.listen(0, '127.0.0.1', resolve));
    return proxy;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get connections(): number {
    return this.#links.size;
  }

  /** Breaks every connection at once, with whatever is under way: acknowledgements of what was stored get lost. */
  cut(): number {
    const count = this.#links.size;
    for (const link of this.#links) this.#end(link);
    return count;
  }

  /** Holds the bytes of those connections, which stay open; the function that is returned lets go of them. */
  hold(which: (index: number) => boolean = () => true): () => number {
    const held = [...this.#links].filter((_, index) => which(index));
    for (const lane of held.flatMap((link) => link.lanes)) lane.holding = true;
    return () => {
      for (const lane of held.flatMap((link) => link.lanes)) {
        lane.holding = false;
        lane.pump();
      }
      return held.length;
    };
  }

  async stop(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.cut();
    await closed;
  }

  #accept(near: Socket): void {
    const far = connect({ port: this.target, host: '127.0.0.1', noDelay: true });
    near.setNoDelay(true);
    const delay = (): number => this.delayMs();
    const lanes = [new Lane(far, delay), new Lane(near, delay)];
    const link: Link = { near, far, lanes };
    this.#links.add(link);
    near.on('data', (bytes: Buffer) => lanes[0]!.push(bytes));
    far.on('data', (bytes: Buffer) => lanes[1]!.push(bytes));
    for (const socket of [near, far]) {
      socket.on('error', () => this.#end(link));
      socket.on('close', () => this.#end(link));
    }
  }

  #end(link: Link): void {
    if (!this.#links.delete(link)) return;
    for (const lane of link.lanes) lane.close();
    link.near.destroy();
    link.far.destroy();
  }
}
