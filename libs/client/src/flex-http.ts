import type { Problem } from '@flex/contracts';
import { FlexProblem, FlexUnreachable } from './problem-error.js';

export interface FlexOptions {
  /** Where the gateway is, e.g. `http://127.0.0.1:7700`. */
  url: string;
  /** API key, or a token of your identity provider; a function when it has to be renewed. */
  apiKey?: string | (() => string | Promise<string>);
  /** Sent with every request. */
  headers?: Record<string, string>;
  /** Instead of the global `fetch`. */
  fetch?: typeof fetch;
}

export interface RequestOptions {
  query?: Record<string, string | number | boolean | string[] | undefined>;
  body?: unknown;
  headers?: Record<string, string | undefined>;
  signal?: AbortSignal;
}

const PREFIX = '/api/v1/flex';

/** Requests to the gateway. Refusals reject with {@link FlexProblem}, broken connections with {@link FlexUnreachable}. */
export class FlexHttp {
  readonly #fetch: typeof fetch;

  constructor(private readonly options: FlexOptions) {
    this.#fetch = options.fetch ?? ((...given) => fetch(...given));
  }

  /** The answer's JSON; undefined when it has none. */
  async json<T>(method: string, path: string, options: RequestOptions = {}): Promise<T> {
    const response = await this.raw(method, path, options);
    const text = await response.text();
    return (text === '' ? undefined : JSON.parse(text)) as T;
  }

  async raw(method: string, path: string, { query, body, headers, signal }: RequestOptions = {}): Promise<Response> {
    const url = new URL(PREFIX + path, this.options.url);
    for (const [name, value] of Object.entries(query ?? {})) {
      for (const one of Array.isArray(value) ? value : [value])
        if (one !== undefined) url.searchParams.append(name, String(one));
    }
    const sent = await this.#headers(headers, body !== undefined);
    let response: Response;
    try {
      response = await this.#fetch(url, {
        method,
        headers: sent,
        body: body === undefined ? undefined : JSON.stringify(body),
        signal,
      });
    } catch (error) {
      if (signal?.aborted) throw error;
      throw new FlexUnreachable(`cannot reach ${url.origin}`, { cause: error });
    }
    if (!response.ok) throw new FlexProblem(await problemOf(response));
    return response;
  }

  async #headers(more: RequestOptions['headers'], hasBody: boolean): Promise<Record<string, string>> {
    const { apiKey, headers } = this.options;
    const key = typeof apiKey === 'function' ? await apiKey() : apiKey;
    const all = {
      ...headers,
      ...(hasBody ? { 'content-type': 'application/json' } : {}),
      ...(key === undefined ? {} : { authorization: `Bearer ${key}` }),
      ...more,
    };
    return Object.fromEntries(Object.entries(all).filter((entry): entry is [string, string] => entry[1] !== undefined));
  }
}

/** Whatever stands between (a proxy, a load balancer) may answer in its own way. */
async function problemOf(response: Response): Promise<Problem> {
  const { status, statusText } = response;
  const unknown: Problem = { type: 'about:blank', title: statusText || `HTTP ${status}`, status, code: 'http_error' };
  try {
    return { ...unknown, ...((await response.json()) as Problem) };
  } catch {
    return unknown;
  }
}
