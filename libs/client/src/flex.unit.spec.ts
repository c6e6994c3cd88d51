import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createFlex, FlexProblem, FlexUnreachable } from './index.js';
import { SseParser } from './sse-parser.js';

const types = ['start', 'plan_generated', 'node_start', 'node_complete', 'node_start', 'complete'];
const frames = types.map((type, index) => ({
  id: index === 4 ? '40.001' : String((index + 1) * 10),
  type,
  runId: 'r1',
  correlationId: 'r1',
  timestamp: 't',
  payload: { text: `ä${index}\n` },
}));
const text = (frame: (typeof frames)[number]): string =>
  `id: ${frame.id}\nevent: ${frame.type}\ndata: ${JSON.stringify(frame)}\n\n`;

describe('the client', () => {
  let server: Server;
  let answer: (request: IncomingMessage, response: ServerResponse) => void;
  const flex = () =>
    createFlex({ url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, apiKey: 'secret' });

  beforeEach(async () => {
    server = createServer((request, response) => answer(request, response));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  });
  afterEach(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });

  /** Serves the rest after Last-Event-ID and cuts the connection after so many bytes. */
  const cutting =
    (bytes: () => number): ((request: IncomingMessage, response: ServerResponse) => void) =>
    (request, response) => {
      const after = frames.findIndex((frame) => frame.id === request.headers['last-event-id']);
      const rest = Buffer.from(
        `retry: 5\n\n:\n\n${frames
          .slice(after + 1)
          .map(text)
          .join('')}`,
      );
      response.writeHead(200, { 'content-type': 'text/event-stream', 'x-run-id': 'r1' });
      const upTo = bytes();
      if (upTo >= rest.length) return void response.end(rest);
      response.write(rest.subarray(0, upTo), () => response.destroy());
    };

  it('gives every frame once, wherever the connection is cut', async () => {
    const whole = Buffer.byteLength(frames.map(text).join(''));
    for (let cut = 1; cut < whole; cut += 61) {
      let first = true;
      const requests: string[] = [];
      const serve = cutting(() => (first ? ((first = false), cut) : Number.POSITIVE_INFINITY));
      answer = (request, response) => {
        requests.push(`${request.method} ${request.url} ${request.headers['idempotency-key'] ? 'keyed' : ''}`);
        serve(request, response);
      };
      const seen = [];
      for await (const frame of flex().runs.stream({
        objective: 'x',
        outputContract: { mode: 'freeform', instructions: 'x' },
      }))
        seen.push(frame);
      expect(seen).toEqual(frames);
      expect(requests[0]).toBe('POST /api/v1/flex/run.stream keyed');
      expect(requests.slice(1).every((request) => request.startsWith('GET /api/v1/flex/runs/r1/stream'))).toBe(true);
    }
  });

  it('goes on when the reader leaves the loop, and closes the connection', async () => {
    const closed = new Promise<void>((resolve) => {
      answer = (_, response) => {
        response.on('close', resolve);
        response.writeHead(200, { 'content-type': 'text/event-stream' });
        response.write(text(frames[0]!));
      };
    });
    for await (const frame of flex().runs.watch('r1')) {
      expect(frame.type).toBe('start');
      break;
    }
    await closed;
  });

  it('waits out a gateway that is starting, and gives up on one that says no', async () => {
    let calls = 0;
    answer = (request, response) => {
      calls += 1;
      if (calls === 1) {
        response.writeHead(503, { 'content-type': 'application/problem+json' });
        response.end(JSON.stringify({ status: 503, code: 'unavailable', title: 'Starting' }));
      } else cutting(() => Number.POSITIVE_INFINITY)(request, response);
    };
    const reasons: string[] = [];
    const seen = [];
    for await (const frame of flex().runs.watch('r1', { onReconnect: ({ reason }) => reasons.push(reason) }))
      seen.push(frame.id);
    expect(seen).toEqual(frames.map((frame) => frame.id));
    expect(reasons).toEqual(['Starting']);

    answer = (request, response) => {
      expect(request.headers.authorization).toBe('Bearer secret');
      response.writeHead(404, { 'content-type': 'application/problem+json' });
      response.end(JSON.stringify({ status: 404, code: 'run_not_found', title: 'No such run', detail: 'r9' }));
    };
    const refused = await flex()
      .runs.get('r9')
      .catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(FlexProblem);
    expect((refused as FlexProblem).code).toBe('run_not_found');
    await expect(flex().runs.watch('r9').next()).rejects.toBeInstanceOf(FlexProblem);
  });

  it('comes back no sooner than it was asked to', async () => {
    const at: number[] = [];
    answer = (request, response) => {
      at.push(performance.now());
      if (at.length > 1) return cutting(() => Number.POSITIVE_INFINITY)(request, response);
      response.writeHead(429, { 'content-type': 'application/problem+json' });
      response.end(JSON.stringify({ status: 429, code: 'rate_limited', title: 'x', extensions: { retryAfter: 0.6 } }));
    };
    for await (const frame of flex().runs.watch('r1')) if (frame.type === 'complete') break;
    expect(at[1]! - at[0]!).toBeGreaterThanOrEqual(590);
  });

  it('asks for tickets for the streams of others', async () => {
    answer = (request, response) => {
      expect(`${request.method} ${request.url}`).toBe('POST /api/v1/flex/stream.ticket');
      response.end(JSON.stringify({ ticket: 't', expiresAt: 'then' }));
    };
    expect(await flex().ticket({ runId: 'r1' })).toEqual({ ticket: 't', expiresAt: 'then' });
  });

  it('says when nobody is there', async () => {
    await expect(createFlex({ url: 'http://127.0.0.1:1' }).runs.get('x')).rejects.toBeInstanceOf(FlexUnreachable);
    const stream = createFlex({ url: 'http://127.0.0.1:1' }).runs.watch('x', { maxRetries: 0 });
    await expect(stream.next()).rejects.toBeInstanceOf(FlexUnreachable);
  });

  it('reads server-sent events in pieces of any size, with any line ends', () => {
    const source = 'id: 1\r\nevent: a\r\ndata: x\r\ndata: y\r\n\r\n: comment\n\ndata\n\nid: 2\nretry: 7\ndata:z\n\n';
    for (let size = 1; size < 9; size++) {
      const parser = new SseParser();
      const events = [];
      for (let at = 0; at < source.length; at += size) events.push(...parser.feed(source.slice(at, at + size)));
      expect(events).toEqual([
        { event: 'a', data: 'x\ny', id: '1' },
        { event: 'message', data: '', id: undefined },
        { event: 'message', data: 'z', id: '2' },
      ]);
      expect(parser.retryMs).toBe(7);
    }
  });
});
