import {
  frameTypes,
  type Frame,
  type Json,
  type PlanGraph,
  type Problem,
  type RunView,
  type TaskItem,
} from '@flex/contracts';
import { EventSource } from 'eventsource';
import { createParser } from 'eventsource-parser';

export interface Answer<T = Json> {
  status: number;
  headers: Headers;
  body: T;
}

/** How long a run of a test may take before the test says what it was waiting for. */
const PATIENCE_MS = 60_000;

/** Needed where the stack asks for a key, as one of deploy/ does; the embedded stack asks for none. */
const authorization = (): Record<string, string> => {
  const key = process.env['FLEX_API_KEY'];
  return key ? { authorization: `Bearer ${key}` } : {};
};

/** A client of the HTTP API that knows nothing but HTTP: what a script of a user would do. */
export class FlexHttp {
  constructor(readonly url: string) {}

  async send<T = Json>(
    method: string,
    path: string,
    body?: unknown,
    headers: Record<string, string> = {},
  ): Promise<Answer<T>> {
    const response = await fetch(new URL(path, this.url), {
      method,
      headers: {
        ...authorization(),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      body: body === undefined ? undefined : typeof body === 'string' ? body : JSON.stringify(body),
      signal: AbortSignal.timeout(PATIENCE_MS),
    });
    const text = await response.text();
    return { status: response.status, headers: response.headers, body: (text ? JSON.parse(text) : undefined) as T };
  }

  /** A request that has to succeed. */
  async ok<T = Json>(method: string, path: string, body?: unknown): Promise<T> {
    const answer = await this.send<T>(method, path, body);
    if (answer.status >= 300) throw new Error(`${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
    return answer.body;
  }

  /** A request that has to be refused. */
  async refused(method: string, path: string, body?: unknown): Promise<Problem> {
    const answer = await this.send<Problem>(method, path, body);
    if (answer.status < 400) throw new Error(`${method} ${path} was accepted: ${JSON.stringify(answer.body)}`);
    return answer.body;
  }

  run = (runId: string): Promise<RunView> => this.ok('GET', `/api/v1/flex/runs/${runId}`);
  plan = (runId: string, version?: number): Promise<PlanGraph> =>
    this.ok('GET', `/api/v1/flex/runs/${runId}/plan${version === undefined ? '' : `?version=${version}`}`);
  planVersions = async (runId: string): Promise<{ version: number; cause: { kind: string } }[]> =>
    (
      await this.ok<{ items: { version: number; cause: { kind: string } }[] }>(
        'GET',
        `/api/v1/flex/runs/${runId}/plan/versions`,
      )
    ).items;
  openTasks = async (runId: string): Promise<TaskItem[]> =>
    (await this.ok<{ items: TaskItem[] }>('GET', `/api/v1/flex/tasks?status=open&runId=${runId}`)).items;
  resolve = (taskId: string, body: object): Promise<unknown> =>
    this.ok('POST', `/api/v1/flex/tasks/${encodeURIComponent(taskId)}/resolve`, body);

  /** Submits without following. */
  submit = async (envelope: object): Promise<string> =>
    (await this.ok<{ runId: string }>('POST', '/api/v1/flex/runs', envelope)).runId;

  /** Types of the events as stored, in order. */
  async stored(runId: string): Promise<{ seq: number; type: string; data: Record<string, Json> }[]> {
    const items: { seq: number; type: string; data: Record<string, Json> }[] = [];
    for (let cursor = ''; ;) {
      const page = await this.ok<{ items: typeof items; next?: string }>(
        'GET',
        `/api/v1/flex/runs/${runId}/events?limit=500${cursor}`,
      );
      items.push(...page.items);
      if (page.next === undefined) return items;
      cursor = `&cursor=${encodeURIComponent(page.next)}`;
    }
  }

  /** `POST run.stream`, parsed with eventsource-parser. */
  stream(envelope: object): RunStream {
    return new RunStream(async (frames, signal) => {
      const response = await fetch(new URL('/api/v1/flex/run.stream', this.url), {
        method: 'POST',
        headers: { ...authorization(), 'content-type': 'application/json', accept: 'text/event-stream' },
        body: JSON.stringify(envelope),
        signal,
      });
      if (!response.ok) throw new Error(`run.stream: ${response.status} ${await response.text()}`);
      const parser = createParser({
        onEvent: (event) => frames({ event: event.event, id: event.id, data: JSON.parse(event.data) as Frame }),
      });
      const decoder = new TextDecoder();
      for await (const chunk of response.body!) parser.feed(decoder.decode(chunk as Uint8Array, { stream: true }));
    });
  }

  /** `GET runs/:id/stream` with the EventSource of npm `eventsource`, which reconnects by itself. */
  follow(runId: string, after?: string): RunStream {
    return new RunStream(
      (frames, signal) =>
        new Promise<void>((resolve) => {
          const url = new URL(`/api/v1/flex/runs/${runId}/stream`, this.url);
          const source = new EventSource(url, {
            fetch: (input, init) =>
              fetch(input, {
                ...init,
                headers: {
                  ...init.headers,
                  ...authorization(),
                  ...(after === undefined ? {} : { 'last-event-id': after }),
                },
              }),
          });
          const close = (): void => {
            source.close();
            resolve();
          };
          signal.addEventListener('abort', close);
          for (const type of frameTypes) {
            source.addEventListener(type, (event) => {
              after = event.lastEventId;
              const data = JSON.parse(event.data as string) as Frame;
              frames({ event: type, id: event.lastEventId, data });
              if (type === 'complete') close();
            });
          }
        }),
    );
  }
}

/** A frame as it came over the wire: the SSE fields beside the data. */
export interface WireFrame {
  event: string | undefined;
  id: string | undefined;
  data: Frame;
}

type Source = (deliver: (frame: WireFrame) => void, signal: AbortSignal) => Promise<void>;

/** The frames of a run as they come, and conditions on them that can be awaited. */
export class RunStream {
  readonly wire: WireFrame[] = [];
  private readonly end = new AbortController();
  private readonly waiting = new Set<() => void>();
  private failure: unknown;
  private closed = false;

  constructor(source: Source) {
    source((frame) => {
      this.wire.push(frame);
      this.wake();
    }, this.end.signal)
      .catch((error: unknown) => {
        if (!this.end.signal.aborted) this.failure = error;
      })
      .finally(() => {
        this.closed = true;
        this.wake();
      });
  }

  get frames(): Frame[] {
    return this.wire.map((frame) => frame.data);
  }

  get types(): string[] {
    return this.frames.map((frame) => frame.type);
  }

  /** The first frame (from `from` on) that fits; fails with what came instead when the stream ends or time is up. */
  async until(fits: (frame: Frame) => boolean, what: string, from = 0): Promise<Frame> {
    const deadline = performance.now() + PATIENCE_MS;
    for (;;) {
      const found = this.frames.slice(from).find(fits);
      if (found) return found;
      const seen = `seen: ${this.types.join(', ') || 'nothing'}`;
      if (this.failure !== undefined) throw new Error(`no ${what}: ${String(this.failure)}; ${seen}`);
      if (this.closed)
        throw new Error(`the stream ended without ${what}; ${seen}; last: ${JSON.stringify(this.frames.at(-1))}`);
      if (performance.now() > deadline) throw new Error(`no ${what} in ${PATIENCE_MS} ms; ${seen}`);
      await this.next(deadline - performance.now());
    }
  }

  untilType = (type: Frame['type'], from = 0): Promise<Frame> => this.until((frame) => frame.type === type, type, from);

  /** All frames, once the last one has come. */
  async completed(): Promise<Frame[]> {
    await this.untilType('complete');
    this.close();
    return this.frames;
  }

  close(): void {
    this.end.abort();
  }

  private next(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        this.waiting.delete(done);
        resolve();
      };
      const timer = setTimeout(done, Math.max(1, ms));
      this.waiting.add(done);
    });
  }

  private wake(): void {
    for (const done of this.waiting) done();
  }
}
