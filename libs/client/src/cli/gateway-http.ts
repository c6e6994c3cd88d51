import type { Frame, Problem } from '@flex/contracts';
import { createParser, type EventSourceMessage } from 'eventsource-parser';
import { exitCodes } from './exit-codes.js';
import { Failure, unreachable } from './failure.js';

export interface GatewayAddress {
  url: string;
  apiKey?: string;
}

type Query = Record<string, string | number | readonly string[] | undefined>;

/** Items that the gateway gives in one page at most. */
const PAGE = 500;

export interface StreamRequest {
  /** Submits this envelope; absent to watch a run that exists. */
  submit?: { path: string; body: string; idempotencyKey: string };
  /** Where to go on once the run is known, and after a lost connection. */
  resumePath(runId: string): string;
  runId?: string;
  signal: AbortSignal;
  onReconnect?(attempt: number): void;
}

/** Attempts to reach a gateway that was there a moment ago; together about half a minute. */
const RECONNECTS = 12;

/** The gateway as the CLI uses it: JSON requests whose refusals become readable failures, and streams that reconnect. */
export class Gateway {
  constructor(private readonly address: GatewayAddress) {}

  get<T>(path: string, query: Query = {}): Promise<T> {
    return this.send<T>('GET', path, query);
  }

  post<T>(path: string, body: unknown = {}, headers: Record<string, string> = {}): Promise<T> {
    return this.send<T>('POST', path, {}, body, headers);
  }

  delete<T>(path: string): Promise<T> {
    return this.send<T>('DELETE', path, {});
  }

  /** The first `limit` items of a list, over as many pages as that takes. */
  async pages<T>(path: string, query: Query, limit: number): Promise<T[]> {
    const items: T[] = [];
    for (let cursor: string | undefined; ;) {
      const size = Math.min(PAGE, limit - items.length);
      const page = await this.get<{ items: T[]; next?: string }>(path, { ...query, limit: size, cursor });
      items.push(...page.items);
      cursor = page.next;
      if (cursor === undefined || items.length >= limit) return items.slice(0, limit);
    }
  }

  /**
   * The frames of a run, each once, until its last. A lost connection is taken up where it broke off; a submission
   * that was lost is sent again under the same idempotency key.
   */
  async *frames(request: StreamRequest): AsyncGenerator<Frame> {
    let { runId } = request;
    let last: string | undefined;
    for (let attempt = 0; ; attempt++) {
      try {
        const response = await this.open(request, runId, last);
        for await (const frame of framesIn(response, request.signal)) {
          runId ??= frame.runId;
          if (last !== undefined && !isBehind(frame.id, last)) continue;
          last = frame.id;
          attempt = 0;
          yield frame;
          if (frame.type === 'complete') return;
        }
      } catch (error) {
        if (request.signal.aborted) return;
        // The first connection either comes about or the user is told so at once.
        if (!(error instanceof Disconnected) || (last === undefined && attempt === 0))
          throw toFailure(error, this.address);
        if (attempt >= RECONNECTS) throw toFailure(error, this.address);
      }
      if (request.signal.aborted) return;
      request.onReconnect?.(attempt + 1);
      await pause(Math.min(5000, 100 * 2 ** attempt), request.signal);
    }
  }

  private async open(request: StreamRequest, runId: string | undefined, last: string | undefined): Promise<Response> {
    if (runId === undefined && request.submit) {
      const { path, body, idempotencyKey } = request.submit;
      return this.fetch(
        'POST',
        path,
        { accept: 'text/event-stream', 'idempotency-key': idempotencyKey },
        body,
        request.signal,
      );
    }
    const headers: Record<string, string> = { accept: 'text/event-stream' };
    if (last !== undefined) headers['last-event-id'] = last;
    return this.fetch('GET', request.resumePath(runId ?? ''), headers, undefined, request.signal);
  }

  private async send<T>(
    method: string,
    path: string,
    query: Query,
    body?: unknown,
    headers: Record<string, string> = {},
  ): Promise<T> {
    const pairs = Object.entries(query).flatMap(([key, value]) => {
      if (value === undefined) return [];
      return (Array.isArray(value) ? value : [value]).map((item): [string, string] => [key, String(item)]);
    });
    const search = pairs.length === 0 ? '' : `?${new URLSearchParams(pairs)}`;
    try {
      const response = await this.fetch(
        method,
        `${path}${search}`,
        { ...headers, accept: 'application/json' },
        body === undefined ? undefined : JSON.stringify(body),
      );
      return (response.status === 204 ? undefined : await response.json()) as T;
    } catch (error) {
      throw toFailure(error, this.address);
    }
  }

  private async fetch(
    method: string,
    path: string,
    headers: Record<string, string>,
    body?: string,
    signal?: AbortSignal,
  ): Promise<Response> {
    if (this.address.apiKey !== undefined) headers['authorization'] = `Bearer ${this.address.apiKey}`;
    if (body !== undefined) headers['content-type'] = 'application/json';
    let response: Response;
    try {
      response = await fetch(new URL(path, this.address.url), { method, headers, body, signal });
    } catch (error) {
      throw new Disconnected(reasonOf(error));
    }
    if (response.ok) return response;
    const text = await response.text().catch(() => '');
    if ([502, 503, 504].includes(response.status) && !text.includes('"code"'))
      throw new Disconnected(`HTTP ${response.status}`);
    throw refusal(response.status, text);
  }
}

/** The connection did not come about, or broke: trying again can help. */
class Disconnected extends Error {}

/**
 * Whether a frame's id (`<seq>` or `<seq>.<index>`) lies behind another. Said here again because the contracts, with
 * their schemas and validators, would cost each command a good part of a second.
 */
function isBehind(id: string, other: string): boolean {
  const [seq = 0, index = 0] = id.split('.').map(Number);
  const [otherSeq = 0, otherIndex = 0] = other.split('.').map(Number);
  return seq > otherSeq || (seq === otherSeq && index > otherIndex);
}

/** Frames of an event stream; what a stream says about itself (snapshot, resync) has no id and is left out. */
async function* framesIn(response: Response, signal: AbortSignal): AsyncGenerator<Frame> {
  const ready: EventSourceMessage[] = [];
  const parser = createParser({ onEvent: (event) => ready.push(event) });
  const decoder = new TextDecoder();
  const reader = response.body!.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read().catch((error: unknown) => {
        throw new Disconnected(reasonOf(error));
      });
      if (done) throw new Disconnected('the stream ended early');
      parser.feed(decoder.decode(value, { stream: true }));
      for (const event of ready.splice(0)) if (event.id) yield JSON.parse(event.data) as Frame;
      if (signal.aborted) return;
    }
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}

/** A refusal in the gateway's own words: title and detail, then every pointer. */
function refusal(status: number, text: string): Failure {
  const problem = asProblem(text);
  if (!problem) return new Failure(`the gateway answered ${status}${text ? `: ${text.slice(0, 200)}` : ''}`);
  const details = [
    ...(problem.errors ?? []).map((issue) => `${issue.pointer || '/'}: ${issue.message}`),
    ...(problem.diagnostics ?? []).map(
      (finding) => `${finding.code}: ${finding.message}${finding.suggestion ? ` (${finding.suggestion})` : ''}`,
    ),
  ];
  const badInput = status === 400 || status === 413 || status === 415 || status === 422;
  // With pointers below it, the detail would only repeat the first.
  const message = details.length > 0 ? problem.title : (problem.detail ?? problem.title);
  return new Failure(message, badInput ? exitCodes.usage : exitCodes.failed, details);
}

function asProblem(text: string): Problem | undefined {
  try {
    const value = JSON.parse(text) as Problem | null;
    return value && typeof value.title === 'string' ? value : undefined;
  } catch {
    return undefined;
  }
}

function toFailure(error: unknown, address: GatewayAddress): Failure {
  if (error instanceof Failure) return error;
  if (error instanceof Disconnected) {
    return unreachable(`cannot reach the gateway at ${address.url}: ${error.message}`, [
      'Is it running? `flex up` starts a stack here; FLEX_URL or --url names another one.',
    ]);
  }
  return new Failure(reasonOf(error));
}

/** The innermost cause: fetch hides "connection refused" behind "fetch failed". */
function reasonOf(error: unknown): string {
  const { cause } = error as { cause?: unknown };
  if (cause instanceof AggregateError && cause.errors.length > 0) return reasonOf(cause.errors[0]);
  if (cause instanceof Error) return reasonOf(cause);
  const { code } = error as { code?: string };
  if (code === 'ECONNREFUSED') return 'connection refused';
  if (code === 'ENOTFOUND') return 'no such host';
  return error instanceof Error ? error.message : String(error);
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener('abort', done);
  });
}
