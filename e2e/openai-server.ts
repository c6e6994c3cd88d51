import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

/** What a client asked, as far as tests look at it. */
export interface ChatRequest {
  model: string;
  messages: { role: string; content: string }[];
  stream: boolean;
  response_format?: { type: string; json_schema?: { name: string; schema: Record<string, unknown>; strict?: boolean } };
  [member: string]: unknown;
}

export interface ReceivedRequest {
  path: string;
  headers: Record<string, string | undefined>;
  body: ChatRequest;
  /** Milliseconds since the epoch. */
  at: number;
}

/** How the server answers one request. */
export type Reply =
  /** A finished answer; `json` is written as text. */
  | { json: unknown; usage?: Usage; delayMs?: number }
  | { text: string; usage?: Usage; finish?: 'stop' | 'length' | 'content_filter'; delayMs?: number }
  | { refusal: string; usage?: Usage }
  /** An HTTP error, with the error body that OpenAI sends. */
  | { status: number; headers?: Record<string, string>; code?: string; message?: string }
  /** Starts the answer and stops in the middle: `end` closes the stream properly, `reset` breaks the connection. */
  | { truncated: string; by?: 'end' | 'reset' }
  /** Takes the request and never answers. */
  | { hang: true };

export interface Usage {
  inputTokens: number;
  outputTokens: number;
}

export interface OpenAiServer {
  /** What OPENAI_BASE_URL is set to. */
  readonly url: string;
  readonly port: number;
  /** Requests to the chat endpoint, in order. */
  readonly requests: ReceivedRequest[];
  /** The next answers, in order; used before `respond`. */
  script(...replies: (Reply | Responder)[]): void;
  /** Answers everything that is not scripted. */
  respond(responder: Responder): void;
  /** Forgets requests, script and responder. */
  reset(): void;
  stop(): Promise<void>;
}

export type Responder = (request: ReceivedRequest) => Reply | Promise<Reply>;

/** A real HTTP server that speaks the OpenAI chat API, streamed or not, and answers by script. Port 0 takes a free one. */
export async function startOpenAiServer(options: { port?: number; respond?: Responder } = {}): Promise<OpenAiServer> {
  const server = new ScriptedServer(options.respond);
  await server.listen(options.port ?? 0);
  return server;
}

const unscripted: Responder = () => ({ status: 500, code: 'unscripted', message: 'The test has no answer for this' });

class ScriptedServer implements OpenAiServer {
  readonly requests: ReceivedRequest[] = [];
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #script: Responder[] = [];
  readonly #first: Responder;
  #responder: Responder;

  constructor(responder: Responder = unscripted) {
    this.#first = responder;
    this.#responder = responder;
    this.#server = createServer((request, response) => void this.#answer(request, response));
    this.#server.on('connection', (socket) => {
      this.#sockets.add(socket);
      socket.once('close', () => this.#sockets.delete(socket));
    });
  }

  listen(port: number): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(port, '127.0.0.1', resolve);
    });
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}/v1`;
  }

  script(...replies: (Reply | Responder)[]): void {
    this.#script.push(...replies.map((reply) => (typeof reply === 'function' ? reply : () => reply)));
  }

  respond(responder: Responder): void {
    this.#responder = responder;
  }

  reset(): void {
    this.requests.length = 0;
    this.#script.length = 0;
    this.#responder = this.#first;
  }

  stop(): Promise<void> {
    return new Promise((resolve) => {
      this.#server.close(() => resolve());
      for (const socket of this.#sockets) socket.destroy();
    });
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = request.url ?? '';
    if (request.method === 'GET' && path.endsWith('/models')) return send(response, 200, { object: 'list', data: [] });
    if (request.method !== 'POST' || !path.endsWith('/chat/completions')) {
      return send(response, 404, errorBody('not_found', `There is no ${path}`));
    }
    const received: ReceivedRequest = {
      path,
      headers: request.headers as Record<string, string | undefined>,
      body: JSON.parse(await textOf(request)) as ChatRequest,
      at: Date.now(),
    };
    this.requests.push(received);
    const reply = await (this.#script.shift() ?? this.#responder)(received);
    if ('delayMs' in reply && reply.delayMs) await delay(reply.delayMs);
    if (!response.destroyed) write(response, received.body, reply);
  }
}

function write(response: ServerResponse, request: ChatRequest, reply: Reply): void {
  if ('hang' in reply) return;
  if ('status' in reply) {
    const { status, headers = {}, code = 'error', message = 'As scripted' } = reply;
    return send(response, status, errorBody(code, message), headers);
  }
  if ('truncated' in reply) return writeTruncated(response, request, reply);
  const text = 'json' in reply ? JSON.stringify(reply.json) : 'text' in reply ? reply.text : '';
  const refusal = 'refusal' in reply ? reply.refusal : null;
  const finish = 'finish' in reply ? (reply.finish ?? 'stop') : 'stop';
  const usage = usageOf(reply.usage ?? { inputTokens: 100, outputTokens: 20 });
  if (!request.stream) {
    const message = { role: 'assistant', content: refusal === null ? text : null, refusal };
    const choices = [{ index: 0, message, finish_reason: finish, logprobs: null }];
    return send(response, 200, { ...head(request, 'chat.completion'), choices, usage });
  }
  startStream(response);
  for (const piece of pieces(text)) chunk(response, request, { content: piece });
  if (refusal !== null) chunk(response, request, { refusal });
  chunk(response, request, {}, finish);
  const wantsUsage = (request['stream_options'] as { include_usage?: boolean } | undefined)?.include_usage === true;
  if (wantsUsage) event(response, { ...head(request, 'chat.completion.chunk'), choices: [], usage });
  response.end('data: [DONE]\n\n');
}

function writeTruncated(
  response: ServerResponse,
  request: ChatRequest,
  reply: { truncated: string; by?: 'end' | 'reset' },
): void {
  if (!request.stream) {
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': '100000' });
    response.write(`{"choices":[{"message":{"content":${JSON.stringify(reply.truncated)}`, () => response.destroy());
    return;
  }
  startStream(response);
  for (const piece of pieces(reply.truncated)) chunk(response, request, { content: piece });
  if (reply.by === 'reset') response.write(': \n\n', () => response.destroy());
  else response.end();
}

const startStream = (response: ServerResponse): void => {
  response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
};
const chunk = (response: ServerResponse, request: ChatRequest, delta: object, finish: string | null = null): void =>
  event(response, {
    ...head(request, 'chat.completion.chunk'),
    choices: [{ index: 0, delta, finish_reason: finish, logprobs: null }],
  });
const event = (response: ServerResponse, data: object): void => {
  response.write(`data: ${JSON.stringify(data)}\n\n`);
};
const head = (request: ChatRequest, object: string): object => ({
  id: 'chatcmpl-scripted',
  object,
  created: 1_700_000_000,
  model: request.model,
});
const usageOf = ({ inputTokens, outputTokens }: Usage): object => ({
  prompt_tokens: inputTokens,
  completion_tokens: outputTokens,
  total_tokens: inputTokens + outputTokens,
});
const pieces = (text: string): string[] => text.match(/[\s\S]{1,64}/g) ?? [];
const errorBody = (code: string, message: string): object => ({ error: { message, type: code, param: null, code } });

function send(response: ServerResponse, status: number, body: object, headers: Record<string, string> = {}): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers });
  response.end(JSON.stringify(body));
}

async function textOf(request: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  for await (const part of request) parts.push(part as Buffer);
  return Buffer.concat(parts).toString('utf8');
}
