import { namedSchemas, routes, type ApiRoute } from '@flex/contracts';

/** Small fast generator of numbers (mulberry32): a seed that found a fault finds it again. */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

type Schema = Record<string, unknown>;

const NASTY = [
  '',
  ' ',
  '0',
  '-1',
  'null',
  'undefined',
  'NaN',
  '1e999',
  '../../etc/passwd',
  '%',
  '%00',
  '%2e%2e',
  '*',
  '>',
  'a.b.>',
  '$JS.API',
  "' or 1=1 --",
  '\u0000',
  '\ud800',
  '😀',
  '__proto__',
  'constructor',
  'toString',
  '{{7*7}}',
  '<script>',
  '\r\nx: y',
  'x'.repeat(3000),
  '(a+)+$',
  '$[?(@)]',
  '/~',
  '~2',
  '1.5',
  '9007199254740993',
  // Cursors of other lists, and made up ones.
  ...[['a', 'b'], [1, 2], [1], ['a'], [-1, 'a'], [1, '\u0000']].map((position) =>
    Buffer.from(JSON.stringify(position)).toString('base64url'),
  ),
];

export interface FuzzRequest {
  route: string;
  method: string;
  path: string;
  headers: Record<string, string>;
  body?: string;
}

/** Makes requests from the table of routes: mostly in the right shape, with something wrong in most of them. */
export class Fuzzer {
  readonly #random: () => number;

  constructor(
    seed: number,
    private readonly ids: { runIds: string[]; taskIds: string[] },
    private readonly only: (route: ApiRoute) => boolean = () => true,
  ) {
    this.#random = seeded(seed);
  }

  request(): FuzzRequest {
    const route = this.#pick((routes as readonly ApiRoute[]).filter(this.only));
    const path = route.path.replaceAll(/\{(\w+)\}/g, (_, name: string) =>
      encodeURIComponent(this.#param(name).replaceAll(/\p{Surrogate}/gu, '?')),
    );
    const headers: Record<string, string> = {};
    for (const name of [
      'last-event-id',
      'idempotency-key',
      'if-match',
      'x-request-id',
      'traceparent',
      'authorization',
    ]) {
      if (this.#chance(0.08))
        headers[name] = headerSafe(this.#chance(0.5) ? this.#nasty() : String(Math.floor(this.#random() * 1e6)));
    }
    let body: string | undefined;
    if (route.body || (route.method !== 'GET' && this.#chance(0.1))) {
      body = this.#body(route);
      headers['content-type'] = this.#chance(0.03) ? headerSafe(this.#nasty()) || 'text/plain' : 'application/json';
    }
    return {
      route: route.id,
      method: this.#chance(0.01) ? 'PUT' : route.method,
      path: path + this.#query(route),
      headers,
      body,
    };
  }

  #param(name: string): string {
    if (this.#chance(0.4)) return this.#nasty();
    if (name === 'runId') return this.#pick(this.ids.runIds);
    if (name === 'taskId') return this.#pick([...this.ids.taskIds, 'x']);
    return this.#pick(['copyVariants', 'agent.write', 'writer.linkedin', 'x']);
  }

  #query(route: ApiRoute): string {
    const query = new URLSearchParams();
    const known = Object.entries(
      (route.query as { properties?: Record<string, Schema> } | undefined)?.properties ?? {},
    );
    for (const [name, schema] of known) {
      if (this.#chance(0.3)) query.append(name, this.#chance(0.5) ? this.#nasty() : queryText(this.#value(schema, 0)));
    }
    if (this.#chance(0.05)) query.append(this.#nasty(), this.#nasty());
    const text = query.toString();
    return text === '' ? '' : `?${text}`;
  }

  #body(route: ApiRoute): string {
    if (this.#chance(0.05)) return this.#nasty();
    if (this.#chance(0.01)) return '['.repeat(50_000);
    const text = JSON.stringify(this.#value((route.body as Schema | undefined) ?? {}, 0)) ?? '';
    return this.#chance(0.04) ? text.slice(0, Math.floor(this.#random() * text.length)) : text;
  }

  /** A value after a schema; now and then, on any level, something else. */
  #value(schema: Schema, depth: number): unknown {
    if (depth > 8) return null;
    if (this.#chance(0.04)) return this.#anything(depth);
    const {
      $ref,
      enum: options,
      const: constant,
      oneOf,
      anyOf,
      type,
      properties,
      items,
    } = schema as {
      $ref?: string;
      enum?: unknown[];
      const?: unknown;
      oneOf?: Schema[];
      anyOf?: Schema[];
      type?: string | string[];
      properties?: Record<string, Schema>;
      items?: Schema;
    };
    if ($ref) return this.#value((namedSchemas[$ref.replace('flex:', '')] ?? {}) as Schema, depth + 1);
    if (constant !== undefined) return constant;
    if (options) return this.#pick(options);
    if (oneOf ?? anyOf) return this.#value(this.#pick(oneOf ?? anyOf ?? []), depth + 1);
    const kind = Array.isArray(type) ? this.#pick(type) : type;
    if (kind === 'object' || properties) return this.#object(schema, depth);
    if (kind === 'array')
      return Array.from({ length: Math.floor(this.#random() * 4) }, () => this.#value(items ?? {}, depth + 1));
    if (kind === 'string')
      return this.#chance(0.2)
        ? this.#nasty()
        : this.#pick(['x', 'agent.write', 'copyVariants', 'facets.a < 1', '/a/b']);
    if (kind === 'integer') return Math.floor(this.#random() * 10);
    if (kind === 'number') return this.#random() * 10;
    if (kind === 'boolean') return this.#chance(0.5);
    return this.#anything(depth);
  }

  #object(
    { properties = {}, required = [] }: { properties?: Record<string, Schema>; required?: string[] },
    depth: number,
  ): object {
    const out: Record<string, unknown> = {};
    for (const [name, inner] of Object.entries(properties)) {
      if (this.#chance(required.includes(name) ? 0.97 : 0.25)) out[name] = this.#value(inner, depth + 1);
    }
    if (this.#chance(0.03)) out[this.#nasty()] = this.#anything(depth);
    return out;
  }

  #anything(depth: number): unknown {
    return this.#pick<() => unknown>([
      () => null,
      () => this.#nasty(),
      () => -1,
      () => 1e308,
      () => [],
      () => ({}),
      () => ({ [this.#nasty()]: depth > 5 ? 1 : this.#anything(depth + 1) }),
      () => [[depth > 5 ? 1 : this.#anything(depth + 1)]],
      () => ({ type: 'object', properties: { a: { $ref: '#/properties/a' } } }),
      () => ({ type: 'string', pattern: '^(a+)+$' }),
      () => true,
    ])();
  }

  #nasty = (): string => this.#pick(NASTY);
  #chance = (share: number): boolean => this.#random() < share;
  #pick<T>(all: readonly T[]): T {
    return all[Math.floor(this.#random() * all.length)]!;
  }
}

const queryText = (value: unknown): string => (typeof value === 'string' ? value : (JSON.stringify(value) ?? ''));

/** HTTP clients refuse to send some characters in headers at all. */
const headerSafe = (text: string): string => text.replaceAll(/[^\x20-\x7e]/g, '?').trim();
const LEAK = /node_modules|\.[jt]s:\d+|\bat .+\(.+:\d+:\d+\)|postgres:\/\/|nats:\/\//;

/** What is wrong with an answer, whatever was asked; undefined when it is as it should be. */
export async function faultOf(response: Response): Promise<string | undefined> {
  const { status } = response;
  const kind = response.headers.get('content-type') ?? '';
  if (kind.includes('text/event-stream')) {
    await response.body?.cancel();
    return undefined;
  }
  const text = await response.text();
  if (status >= 500) return `${status} ${text.slice(0, 300)}`;
  if (LEAK.test(text) && status >= 400) return `leaks: ${text.slice(0, 300)}`;
  if (status >= 400 && !kind.includes('application/problem+json')) return `${status} as ${kind}`;
  if (status >= 400 && (JSON.parse(text) as { status?: number }).status !== status)
    return `${status} but says ${text.slice(0, 200)}`;
  return undefined;
}

/** Sends requests, several at a time, and collects the faults with the requests that caused them. */
export async function fuzz(
  url: string,
  fuzzer: Fuzzer,
  count: number,
  parallel = 8,
): Promise<{ statuses: Record<string, number>; faults: { request: FuzzRequest; fault: string }[] }> {
  const statuses: Record<string, number> = {};
  const faults: { request: FuzzRequest; fault: string }[] = [];
  let left = count;
  const worker = async (): Promise<void> => {
    while (left-- > 0) {
      const request = fuzzer.request();
      const { method, path, headers, body } = request;
      try {
        const response = await fetch(url + path, { method, headers, body, signal: AbortSignal.timeout(15_000) });
        statuses[response.status] = (statuses[response.status] ?? 0) + 1;
        const fault = await faultOf(response);
        if (fault) faults.push({ request, fault });
      } catch (error) {
        faults.push({ request, fault: String((error as Error).cause ?? error) });
      }
    }
  };
  await Promise.all(Array.from({ length: parallel }, worker));
  return { statuses, faults };
}
