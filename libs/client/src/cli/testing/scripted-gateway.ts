import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Frame } from '@flex/contracts';

export interface SeenRequest {
  method: string;
  path: string;
  headers: IncomingMessage['headers'];
  body: string;
}

type Answer = (request: SeenRequest, response: ServerResponse) => void;

/** A server that speaks the gateway's HTTP: each request gets the next answer of its path. */
export class ScriptedGateway {
  readonly seen: SeenRequest[] = [];
  private readonly answers = new Map<string, Answer[]>();
  private server!: Server;

  async start(): Promise<string> {
    this.server = createServer((request, response) => {
      let body = '';
      request.on('data', (chunk: Buffer) => (body += chunk.toString()));
      request.on('end', () => {
        const seen = { method: request.method!, path: request.url!, headers: request.headers, body };
        this.seen.push(seen);
        const queue = this.answers.get(`${seen.method} ${seen.path.split('?')[0]}`) ?? [];
        const answer = queue.length > 1 ? queue.shift()! : queue[0];
        if (answer) answer(seen, response);
        else response.writeHead(404).end();
      });
    });
    await new Promise<void>((resolve) => this.server.listen(0, '127.0.0.1', resolve));
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }

  /** Several answers for one route are given one after the other; the last one stays. */
  on(route: string, ...answers: Answer[]): void {
    this.answers.set(route, answers);
  }
}

export const json =
  (status: number, body: unknown): Answer =>
  (_request, response) =>
    void response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));

/** An event stream of these frames; `cut` breaks the connection behind them, `hold` leaves it open. */
export const frames =
  (list: readonly Frame[], then: 'end' | 'cut' | 'hold' = 'end'): Answer =>
  (_request, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream', 'x-run-id': 'r1' });
    response.write(': hello\n\n');
    for (const frame of list)
      response.write(`event: ${frame.type}\nid: ${frame.id}\ndata: ${JSON.stringify(frame)}\n\n`);
    if (then === 'end') response.end();
    if (then === 'cut') setImmediate(() => response.destroy());
  };
