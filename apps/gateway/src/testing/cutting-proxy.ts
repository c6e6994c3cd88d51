import { createServer, request, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** What a stream was asked for with, by connection. */
export interface Cut {
  lastEventId: string | undefined;
  replica: number;
}

/**
 * Stands between a client and replicas of the gateway, each asked in turn, and cuts every stream after one frame and
 * the half of the next: a client that gets through it has reconnected at every frame. It makes `retry:` short, so that a
 * test takes no minutes, and touches nothing else.
 */
export class CuttingProxy {
  readonly cuts: Cut[] = [];
  #next = 0;

  private constructor(
    private readonly server: Server,
    private readonly replicas: readonly string[],
  ) {}

  static async start(replicas: readonly string[]): Promise<CuttingProxy> {
    const server = createServer((incoming, outgoing) => proxy.#forward(incoming, outgoing));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const proxy: CuttingProxy = new CuttingProxy(server, replicas);
    return proxy;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }

  #forward(incoming: IncomingMessage, outgoing: ServerResponse): void {
    const replica = this.#next++ % this.replicas.length;
    const { method, headers } = incoming;
    const onward = request(new URL(incoming.url!, this.replicas[replica]), { method, headers }, (answer) => {
      outgoing.writeHead(answer.statusCode!, answer.headers);
      if (!answer.headers['content-type']?.startsWith('text/event-stream')) return void answer.pipe(outgoing);
      const lastEventId = headers['last-event-id'];
      this.cuts.push({ lastEventId: typeof lastEventId === 'string' ? lastEventId : undefined, replica });
      cutStream(answer, outgoing);
    });
    outgoing.on('close', () => onward.destroy());
    onward.on('error', () => outgoing.destroy());
    incoming.pipe(onward);
  }
}

function cutStream(answer: IncomingMessage, outgoing: ServerResponse): void {
  let rest = '';
  let passed = false;
  outgoing.flushHeaders();
  answer.setEncoding('utf8');
  answer.on('data', (chunk: string) => {
    rest += chunk;
    for (let end = rest.indexOf('\n\n'); end >= 0; end = rest.indexOf('\n\n')) {
      const event = rest.slice(0, end + 2).replace(/^retry: \d+/, 'retry: 20');
      if (passed) break;
      rest = rest.slice(end + 2);
      outgoing.write(event);
      passed = /^id: /m.test(event);
    }
    if (!passed) return;
    answer.destroy();
    outgoing.write(rest.slice(0, rest.indexOf('\n\n') / 2), () => outgoing.destroy());
  });
  answer.on('end', () => outgoing.end());
  answer.on('error', () => outgoing.destroy());
}
