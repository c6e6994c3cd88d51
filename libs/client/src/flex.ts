import type {
  Accepted,
  Capability,
  Branch,
  DeltaOperation,
  EventPageView,
  Facet,
  Frame,
  Json,
  PlanDiff,
  PlanGraph,
  PlannerDiagnostic,
  RegisteredCapability,
  ResolveBody,
  RunItem,
  RunView,
  TaskEnvelope,
  TaskItem,
  ValidationIssue,
} from '@flex/contracts';
import { frameStream, type StreamOptions } from './frame-stream.js';
import { FlexHttp, type FlexOptions } from './flex-http.js';

export interface Page<T> {
  items: T[];
  /** Cursor of the next page; absent on the last one. */
  next?: string;
}
/** Makes a repeat of the request harmless: the gateway carries it out once. */
export interface Once {
  idempotencyKey?: string;
}
export interface Signal {
  kind: 'manual' | 'metric' | 'message';
  policyId?: string;
  metric?: string;
  value?: number;
  message?: string;
  facets?: Record<string, Json>;
  replan?: boolean;
}
type Filter = Record<string, string | string[] | number | undefined>;

const id = (text: string): string => encodeURIComponent(text);
const keyed = (once: Once | undefined) => ({ headers: { 'idempotency-key': once?.idempotencyKey } });

/** A client of one gateway. */
export function createFlex(options: FlexOptions) {
  const http = new FlexHttp(options);
  const get = <T>(path: string, query?: Filter): Promise<T> => http.json<T>('GET', path, { query });
  const post = <T>(path: string, body: unknown, once?: Once): Promise<T> =>
    http.json<T>('POST', path, { body, ...keyed(once) });
  const run = (runId: string, what = ''): string => `/runs/${id(runId)}${what}`;

  /** Walks all pages. */
  async function* all<T>(path: string, filter: Filter = {}): AsyncGenerator<T> {
    for (let cursor: string | undefined; ;) {
      const page: Page<T> = await get(path, { ...filter, cursor });
      yield* page.items;
      if (page.next === undefined) return;
      cursor = page.next;
    }
  }

  /** The frames of a run, from the beginning or after a cursor, until its end. */
  const watch = (
    runId: string,
    { types, cursor, onSnapshot, ...more }: StreamOptions & { cursor?: string } = {},
  ): AsyncGenerator<Frame> =>
    frameStream(
      (after, signal) =>
        http.raw('GET', run(runId, '/stream'), {
          query: { types: types && wanted(types), snapshot: onSnapshot ? true : undefined },
          headers: { accept: 'text/event-stream', 'last-event-id': after },
          signal,
        }),
      { ...more, types, onSnapshot, cursor, ends: true },
    );

  const runs = {
    /** Submits a task. */
    create: (envelope: TaskEnvelope, once?: Once) => post<Accepted>('/runs', envelope, once),
    /**
     * Submits a task and gives the frames of its run. The submission carries an idempotency key, so that a connection
     * that breaks at any moment neither loses the task nor does it twice.
     */
    async *stream(
      envelope: TaskEnvelope,
      stream: Omit<StreamOptions, 'onSnapshot'> & Once = {},
    ): AsyncGenerator<Frame, void, undefined> {
      const { idempotencyKey = crypto.randomUUID(), types, ...more } = stream;
      let runId: string | undefined;
      yield* frameStream(
        async (after, signal) => {
          const headers = { accept: 'text/event-stream', 'last-event-id': after };
          const query = { types: types && wanted(types) };
          if (runId !== undefined) return http.raw('GET', run(runId, '/stream'), { headers, query, signal });
          const response = await http.raw('POST', '/run.stream', {
            body: envelope,
            query,
            signal,
            headers: { ...headers, 'idempotency-key': idempotencyKey },
          });
          runId = response.headers.get('x-run-id') ?? undefined;
          return response;
        },
        { ...more, types, ends: true },
      );
    },
    watch,
    get: (runId: string) => get<RunView>(run(runId)),
    list: (filter?: Filter) => get<Page<RunItem>>('/runs', filter),
    all: (filter?: Filter) => all<RunItem>('/runs', filter),
    output: (runId: string) => get<{ runId: string; status: string; output?: Json }>(run(runId, '/output')),
    events: (runId: string, filter?: Filter) => all<EventPageView['items'][number]>(run(runId, '/events'), filter),
    explain: (runId: string, node?: string) => get<Record<string, unknown>>(run(runId, '/explain'), { node }),
    validate: (envelope: TaskEnvelope) =>
      post<{ valid: boolean; errors: ValidationIssue[]; diagnostics: PlannerDiagnostic[]; plan?: PlanGraph }>(
        '/runs/validate',
        envelope,
      ),
    cancel: (runId: string, reason?: string, once?: Once) => post<Accepted>(run(runId, '/cancel'), { reason }, once),
    pause: (runId: string, reason?: string, once?: Once) => post<Accepted>(run(runId, '/pause'), { reason }, once),
    resume: (runId: string, expectedPlanVersion?: number, once?: Once) =>
      post<Accepted>(run(runId, '/resume'), { expectedPlanVersion }, once),
    signal: (runId: string, signal: Signal, once?: Once) => post<Accepted>(run(runId, '/signal'), signal, once),
    replan: (runId: string, rationale?: string, once?: Once) =>
      post<Accepted>(run(runId, '/replan'), { rationale }, once),
    /** Edits the plan: the operations apply to the version named, or are refused. */
    edit: (runId: string, baseVersion: number, operations: DeltaOperation[], once?: Once) =>
      post<Accepted>(run(runId, '/replan'), { baseVersion, operations }, once),
    /** Asks for further branches; facets, schemas and policies are those of the work that they double. */
    branch: (runId: string, branches: Branch[], rationale?: string, once?: Once) =>
      post<Accepted>(run(runId, '/replan'), { branches, rationale }, once),
    fork: (runId: string, from: { fromSeq?: number; envelope?: TaskEnvelope } = {}, once?: Once) =>
      post<Accepted>(run(runId, '/fork'), from, once),
    delete: (runId: string) => http.json<void>('DELETE', run(runId)),
  };

  return {
    runs,
    plan: {
      get: (runId: string, version?: number) => get<PlanGraph>(run(runId, '/plan'), { version }),
      versions: async (runId: string) =>
        (await get<{ items: { version: number; cause: { kind: string }; at: string }[] }>(run(runId, '/plan/versions')))
          .items,
      diff: (runId: string, from?: number, to?: number) =>
        get<PlanDiff & { from: number; to: number }>(run(runId, '/plan/diff'), { from, to }),
    },
    tasks: {
      list: (filter?: Filter) => get<Page<TaskItem>>('/tasks', filter),
      all: (filter?: Filter) => all<TaskItem>('/tasks', filter),
      get: (taskId: string) => get<TaskItem>(`/tasks/${id(taskId)}`),
      resolve: (taskId: string, answer: ResolveBody, once?: Once) =>
        post<Accepted>(`/tasks/${id(taskId)}/resolve`, answer, once),
      decline: (taskId: string, comment?: string, once?: Once) =>
        post<Accepted>(`/tasks/${id(taskId)}/decline`, { comment }, once),
    },
    capabilities: {
      list: async (filter?: Filter) => (await get<{ items: RegisteredCapability[] }>('/capabilities', filter)).items,
      get: (capabilityId: string) => get<RegisteredCapability>(`/capabilities/${id(capabilityId)}`),
      register: (capability: Capability) => post<{ revision: number }>('/capabilities', capability),
      heartbeat: (capabilityId: string, instance?: string) =>
        post<void>(`/capabilities/${id(capabilityId)}/heartbeat`, { instance }),
      deregister: (capabilityId: string) =>
        http.json<{ revision: number }>('DELETE', `/capabilities/${id(capabilityId)}`),
    },
    facets: {
      list: async (filter?: Filter) => (await get<{ items: Facet[] }>('/facets', filter)).items,
      get: (name: string) => get<Facet>(`/facets/${id(name)}`),
      versions: async (name: string) => (await get<{ items: Facet[] }>(`/facets/${id(name)}/versions`)).items,
      publish: (facet: Facet) => post<{ revision: number; version: number }>('/facets', facet),
      compile: (facets: string[], direction: 'input' | 'output') =>
        post<{ schema: unknown; diagnostics?: PlannerDiagnostic[] }>('/facets/compile', { facets, direction }),
    },
    /** A ticket for the address of an `EventSource`, which cannot send a key: of one run's stream, or of all. */
    ticket: (wish: { runId?: string; expiresInSeconds?: number } = {}) =>
      post<{ ticket: string; expiresAt: string }>('/stream.ticket', wish),
    /** The frames of all runs with these labels (`name:value`), until the signal. */
    watchMany: (
      labels: string[],
      { types, cursor, ...more }: Omit<StreamOptions, 'onSnapshot'> & { cursor?: string } = {},
    ): AsyncGenerator<Frame> =>
      frameStream(
        (after, signal) =>
          http.raw('GET', '/stream', {
            query: { label: labels, types: types?.join(',') },
            headers: { accept: 'text/event-stream', 'last-event-id': after },
            signal,
          }),
        { ...more, types, cursor, ends: false },
      ),
  };
}
export type Flex = ReturnType<typeof createFlex>;

/** The final frame is always wanted: by it the stream knows its end. */
const wanted = (types: readonly string[]): string => [...new Set([...types, 'complete'])].join(',');
