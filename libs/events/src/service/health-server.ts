import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { Readiness } from './readiness.js';

type Handler = (request: IncomingMessage, response: ServerResponse) => void;

/**
 * Longer than proxies and clients keep an idle connection, a minute mostly: else a next request may be under way on one
 * that is just being closed here, and its client sees a reset.
 */
const KEEP_ALIVE_MS = 75_000;
const SWEEP_MS = 50;

/**
 * The HTTP server of a service. It answers the probes itself, from before NATS and Postgres are reached until after
 * the last request, so that an orchestrating platform sees "alive, not ready" instead of a refused connection; all
 * else goes to the Nest application.
 */
export class HealthServer {
  readonly #server: Server;
  #handler: Handler | undefined;
  #draining = false;

  constructor(
    private readonly readiness: Readiness,
    tls?: { certFile: string; keyFile: string },
  ) {
    const listener: Handler = (request, response) => void this.#answer(request, response);
    this.#server = tls
      ? createTlsServer({ cert: readFileSync(tls.certFile), key: readFileSync(tls.keyFile) }, listener)
      : createServer(listener);
    this.#server.keepAliveTimeout = KEEP_ALIVE_MS;
    this.#server.headersTimeout = KEEP_ALIVE_MS + 5_000;
  }

  get server(): Server {
    return this.#server;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo | null)?.port ?? 0;
  }

  listen(port: number, host: string): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(port, host, () => {
        this.#server.off('error', reject);
        resolve();
      });
    });
  }

  serve(handler: Handler): void {
    this.#handler = handler;
  }

  /** The readiness probe fails from here on. */
  drain(): void {
    this.#draining = true;
  }

  /** Takes no new connections; those with a request in flight get `graceMs` to finish. */
  async close(graceMs: number): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    // Also those whose last request ends from here on: kept alive they would hold up the stop.
    const sweep = setInterval(() => this.#server.closeIdleConnections(), SWEEP_MS);
    this.#server.closeIdleConnections();
    const timer = setTimeout(() => this.#server.closeAllConnections(), graceMs);
    await closed;
    clearInterval(sweep);
    clearTimeout(timer);
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    // Who is told that the connection ends begins its next one elsewhere.
    if (this.#draining) response.shouldKeepAlive = false;
    const path = request.url?.split('?', 1)[0];
    if (path === '/health/live') return send(response, 200, { status: 'live' });
    if (path === '/health/ready') {
      const { ready, checks } = await this.readiness.report();
      const up = ready && this.#handler !== undefined && !this.#draining;
      const status = up ? 'ready' : this.#draining ? 'draining' : this.#handler ? 'not ready' : 'starting';
      return send(response, up ? 200 : 503, { status, checks });
    }
    if (this.#handler) return this.#handler(request, response);
    response.setHeader('retry-after', '1');
    send(response, 503, { type: 'about:blank', title: 'Starting', status: 503, code: 'starting' }, 'problem+json');
  }
}

function send(response: ServerResponse, status: number, body: object, kind = 'json'): void {
  const text = JSON.stringify(body);
  response.writeHead(status, { 'content-type': `application/${kind}`, 'cache-control': 'no-store' });
  response.end(text);
}
