import { setTimeout as delay } from 'node:timers/promises';
import type { NatsConnection } from '@nats-io/nats-core';
import { Kvm } from '@nats-io/kv';
import type { Capability, EventData, NewEvent } from '@flex/contracts';
import { Bucket, connectNats, ensureStreams, EventLog, type LogEvent, type LogShape } from '@flex/events';
import { startNats, type TestNats } from '@flex/embedded/testing';
import {
  defineCapability,
  FatalError,
  RetryableError,
  startWorker,
  type Handler,
  type RunningWorker,
  type WorkerOptions,
} from './index.js';

const TRACE = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
const quiet = { info: () => undefined, warn: () => undefined };
const capability = (capabilityId: string, more: Partial<Capability> = {}): Capability => ({
  capabilityId,
  version: '1',
  displayName: capabilityId,
  kind: 'execution',
  agentType: 'ai',
  inputFacets: [{ facet: 'brief' }, { facet: 'assetBundle', required: false }],
  outputFacets: ['copy'],
  ...more,
});

describe('a worker', () => {
  let nats: TestNats;
  let nc: NatsConnection;
  let shape: LogShape;
  let log: EventLog;
  const workers: RunningWorker[] = [];
  const clean = new AbortController();
  const seen: LogEvent[] = [];
  let runs = 0;

  beforeAll(async () => {
    nats = await startNats();
    nc = await connectNats({ url: nats.url, name: 'test' });
    shape = await ensureStreams(nc);
    log = new EventLog(nc, 'orchestrator', shape);
    void (async () => {
      for await (const batch of log.tail({ signal: clean.signal })) seen.push(...batch);
    })();
  });
  afterEach(async () => void (await Promise.all(workers.splice(0).map((worker) => worker.stop()))));
  afterAll(async () => {
    clean.abort();
    await nc.close();
    await nats.stop();
  });

  const start = async (handler: Handler, more: Partial<Capability> = {}, options: Partial<WorkerOptions> = {}) => {
    const definition = defineCapability(capability(`agent.c${(runs += 1)}`, more), handler);
    const worker = await startWorker({
      capabilities: [definition],
      natsUrl: nats.url,
      register: false,
      signals: false,
      logger: quiet,
      ...options,
    });
    workers.push(worker);
    return { id: definition.capability.capabilityId, worker, definition };
  };
  const dispatch = async (
    capabilityId: string,
    data: Partial<EventData<'node.dispatched'>> = {},
    traceparent?: string,
  ) => {
    const runId = `run-${(runs += 1)}`;
    const event: NewEvent<'node.dispatched'> = {
      type: 'node.dispatched',
      runId,
      id: `${runId}:dispatch`,
      key: capabilityId,
      traceparent,
      data: {
        nodeId: 'write',
        attempt: 1,
        planVersion: 1,
        capabilityId,
        kind: 'execution',
        inputs: { brief: 'x' },
        outputFacets: ['copy'],
        timeoutMs: 10_000,
        idempotencyKey: `${runId}:write:1`,
        ...data,
      },
    };
    await log.append(event);
    return runId;
  };
  const event = async (runId: string, type = 'node.reported'): Promise<LogEvent> => {
    for (;;) {
      const found = seen.find((one) => one.runId === runId && one.type === type);
      if (found) return found;
      await delay(5);
    }
  };
  const reported = async (runId: string) => (await event(runId)).data as EventData<'node.reported'>;
  const typesOf = (runId: string): string[] => seen.filter((one) => one.runId === runId).map(({ type }) => type);

  it('does its steps and reports outputs, usage, metrics and trace', async () => {
    const { id, worker } = await start((inputs, ctx) => {
      ctx.usage({ inputTokens: 10, outputTokens: 1, model: 'm' });
      ctx.usage({ inputTokens: 5, cost: 0.5 });
      ctx.metric('quality', 0.9);
      return { copy: `${inputs['brief']}!`, key: ctx.idempotencyKey };
    });
    const trace = TRACE;
    const runId = await dispatch(id, {}, trace);
    const report = await reported(runId);
    expect(report).toMatchObject({
      nodeId: 'write',
      attempt: 1,
      worker: worker.instance,
      outputs: { copy: 'x!', key: `${runId}:write:1` },
      usage: { inputTokens: 15, outputTokens: 1, cost: 0.5, model: 'm' },
      metrics: { quality: 0.9 },
    });
    expect(await event(runId)).toMatchObject({
      key: id,
      source: 'worker',
      id: `${runId}:report:write:1`,
      traceparent: trace,
    });
    expect(typesOf(runId)).toEqual(['node.dispatched', 'node.reported']);
  });

  it('says what went wrong, and whether trying again may help', async () => {
    const errors: [Error | string, object][] = [
      [
        new RetryableError('busy', { code: 'RATE_LIMITED' }),
        { code: 'RATE_LIMITED', message: 'busy', retryable: true },
      ],
      [new FatalError('refused'), { code: 'WORKER_ERROR', message: 'refused', retryable: false }],
      [new TypeError('x is undefined'), { message: 'x is undefined', retryable: true }],
      ['a string', { message: 'a string', retryable: true }],
    ];
    const { id } = await start((inputs) => {
      throw errors[Number(inputs['brief'])]![0];
    });
    for (const [index, [, expected]] of errors.entries()) {
      expect((await reported(await dispatch(id, { inputs: { brief: index } }))).error).toMatchObject(expected);
    }
    const missing = await reported(await dispatch(id, { inputs: {} }));
    expect(missing.error).toMatchObject({
      code: 'INPUT_INVALID',
      retryable: false,
      issues: [{ pointer: '/brief', facet: 'brief' }],
    });
  });

  it('lets an agent check its outputs, and refuses what cannot be outputs', async () => {
    const { id } = await start((inputs, ctx) => {
      const draft = { copy: 1 };
      const issues = ctx.validate(draft);
      if (inputs['brief'] === 'nothing') return undefined as never;
      return issues.length > 0 ? { copy: `repaired ${issues[0]!.pointer}` } : draft;
    });
    const outputSchema = { type: 'object', properties: { copy: { type: 'string' } }, required: ['copy'] };
    expect((await reported(await dispatch(id, { outputSchema }))).outputs).toEqual({ copy: 'repaired /copy' });
    const nothing = await reported(await dispatch(id, { inputs: { brief: 'nothing' } }));
    expect(nothing.error).toMatchObject({ code: 'OUTPUT_INVALID', retryable: true });
  });

  it('speaks while it works: started when slow, progress and text in few messages, all before the report', async () => {
    const { id } = await start(async (_inputs, ctx) => {
      ctx.progress({ fraction: 0.1, message: 'begins' });
      for (let piece = 0; piece < 60; piece += 1) {
        ctx.text(`${piece},`);
        await delay(10);
      }
      ctx.progress({ fraction: 1 });
      return { copy: 'done' };
    });
    const runId = await dispatch(id);
    await reported(runId);
    const events = seen.filter((one) => one.runId === runId);
    expect(events.at(-1)?.type).toBe('node.reported');
    expect(events.filter(({ type }) => type === 'node.started')).toHaveLength(1);
    const progress = events
      .filter(({ type }) => type === 'node.progressed')
      .map(({ data }) => data as EventData<'node.progressed'>);
    expect(progress.length).toBeLessThan(15);
    expect(progress.map(({ text }) => text ?? '').join('')).toBe(
      Array.from({ length: 60 }, (_, index) => `${index},`).join(''),
    );
    expect(progress[0]).toMatchObject({ fraction: 0.1, message: 'begins' });
    expect(progress.at(-1)).toMatchObject({ fraction: 1 });
  });

  it('ends a step at its deadline, whether or not the handler looks at the signal', async () => {
    let aborted: unknown;
    const { id } = await start((inputs, ctx) => {
      ctx.signal.addEventListener('abort', () => (aborted = (ctx.signal.reason as Error).message));
      return new Promise(() => undefined);
    });
    const quick = await reported(await dispatch(id, { timeoutMs: 50 }));
    expect(quick.error).toMatchObject({ code: 'TIMEOUT', retryable: true });
    expect(aborted).toBe('the time of this step is up');
    const slow = await reported(await dispatch(id, { timeoutMs: 300 }));
    expect(slow.durationMs).toBeGreaterThanOrEqual(295);
  });

  it('aborts what was cancelled, says nothing about it, and does not begin what was cancelled before', async () => {
    let began = 0;
    const aborted: string[] = [];
    const { id } = await start(
      async (_inputs, ctx) => {
        began += 1;
        await new Promise((resolve) => ctx.signal.addEventListener('abort', resolve));
        aborted.push((ctx.signal.reason as Error).message);
        return {};
      },
      { concurrency: 1 },
    );
    const cancel = (runId: string) =>
      log.append({
        type: 'node.cancelled',
        runId,
        id: `${runId}:cancel`,
        data: { nodes: [{ nodeId: 'write', attempt: 1, reason: 'test' }] },
      });
    const first = await dispatch(id);
    const second = await dispatch(id);
    const third = await dispatch(id, { timeoutMs: 150 });
    while (began === 0) await delay(5);
    await cancel(second);
    await log.append({ type: 'run.cancelled', runId: first, id: `${first}:cancelled`, data: {} });
    await reported(third);
    expect(aborted).toEqual(['the step was cancelled', 'the time of this step is up']);
    expect(began).toBe(2);
    expect(typesOf(first)).not.toContain('node.reported');
    expect(typesOf(second)).not.toContain('node.reported');
  });

  it('delivers an attempt again when a worker dies, and one report stays', async () => {
    const keys: string[] = [];
    const hang: Handler = (_inputs, ctx) => {
      keys.push(ctx.idempotencyKey);
      return keys.length === 1 ? new Promise(() => undefined) : { copy: 'second' };
    };
    const { id, worker, definition } = await start(hang, {}, { patienceMs: 20 });
    const runId = await dispatch(id);
    while (keys.length === 0) await delay(5);
    await worker.stop();
    workers.push(
      await startWorker({
        capabilities: [definition],
        natsUrl: nats.url,
        register: false,
        signals: false,
        logger: quiet,
      }),
    );
    expect((await reported(runId)).outputs).toEqual({ copy: 'second' });
    expect(keys).toEqual([`${runId}:write:1`, `${runId}:write:1`]);
    await log.append({
      type: 'node.reported',
      runId,
      id: `${runId}:report:write:1`,
      key: id,
      data: { nodeId: 'write', attempt: 1, outputs: { copy: 'late' } },
    });
    await delay(50);
    expect(typesOf(runId).filter((type) => type === 'node.reported')).toHaveLength(1);
  });

  it('shares steps among processes, never more at once than it is told', async () => {
    let running = 0;
    let most = 0;
    const counts = new Map<string, number>();
    const handler: Handler = async (_inputs, ctx) => {
      most = Math.max(most, (running += 1));
      counts.set(ctx.idempotencyKey, (counts.get(ctx.idempotencyKey) ?? 0) + 1);
      await delay(5);
      running -= 1;
      return { copy: '' };
    };
    const { id, definition } = await start(handler, { concurrency: 4 });
    workers.push(
      await startWorker({
        capabilities: [definition],
        natsUrl: nats.url,
        register: false,
        signals: false,
        logger: quiet,
      }),
    );
    const ids = await Promise.all(Array.from({ length: 100 }, () => dispatch(id)));
    const reports = await Promise.all(ids.map((runId) => reported(runId)));
    expect(most).toBeLessThanOrEqual(8);
    expect(new Set(reports.map(({ worker }) => worker)).size).toBe(2);
    expect([...counts.values()].every((count) => count === 1)).toBe(true);
  });

  it('finishes what is under way when it stops, and takes nothing new', async () => {
    let began = false;
    const { id, worker } = await start(async () => {
      began = true;
      await delay(150);
      return { copy: 'finished' };
    });
    const runId = await dispatch(id);
    while (!began) await delay(2);
    await worker.stop();
    expect((await reported(runId)).outputs).toEqual({ copy: 'finished' });
  });

  it('sees inputs by facet, checks them against the registry, and reads facets under their property keys', async () => {
    const kv = await new Kvm(nc).open(Bucket.registry);
    await kv.put(
      'facet.default.brief',
      JSON.stringify({ name: 'brief', schema: { type: 'string', minLength: 2 }, direction: 'input' }),
    );
    await kv.put(
      'facet.default.assetBundle',
      JSON.stringify({ name: 'assetBundle', schema: {}, propertyKey: 'assets', direction: 'input' }),
    );
    const { id } = await start((inputs) => ({ copy: inputs['assetBundle'] ?? 'none' }));
    await delay(100);
    const good = await reported(await dispatch(id, { inputs: { brief: 'ok', assets: ['a.png'] } }));
    expect(good.outputs).toEqual({ copy: ['a.png'] });
    const bad = await reported(await dispatch(id, { inputs: { brief: 'x' } }));
    expect(bad.error).toMatchObject({ code: 'INPUT_INVALID', issues: [{ pointer: '/brief', facet: 'brief' }] });
    await kv.delete('facet.default.brief');
  });

  it('goes on after the server was away', async () => {
    const { id } = await start(() => ({ copy: 'back' }));
    await nats.kill();
    await nats.restart();
    const runId = await dispatch(id);
    expect((await reported(runId)).outputs).toEqual({ copy: 'back' });
  });

  it('refuses a capability that is none', () => {
    expect(() => defineCapability(capability('a b', { kind: 'magic' as never }), () => ({}))).toThrow(
      /capabilityId.*kind/,
    );
  });

  describe('that may go on by itself', () => {
    /** A node may say whose it is: `n1@agent.other`. */
    const chain = (capabilityId: string, ...nodes: string[]) =>
      dispatch(
        capabilityId,
        {
          nodeId: 'n0',
          next: nodes.map((name, i) => ({
            nodeId: name.split('@')[0]!,
            ...(name.includes('@') ? { capabilityId: name.split('@')[1]!, key: name.split('@')[1]! } : {}),
            attempt: 1,
            kind: 'execution',
            inputs: {},
            take: { brief: { nodeId: i === 0 ? 'n0' : nodes[i - 1]!.split('@')[0]!, facet: 'copy' } },
            outputFacets: ['copy'],
            timeoutMs: 10_000,
            idempotencyKey: `${name}:1`,
          })),
        },
        TRACE,
      );
    const reports = (runId: string) =>
      seen
        .filter((one) => one.runId === runId && one.type === 'node.reported')
        .map((one) => one.data as EventData<'node.reported'>);
    const word = (inputs: Record<string, unknown>) => ({ copy: `${String(inputs['brief'])}+` });

    it('reports quick steps together, each made of the one before it', async () => {
      const keys: string[] = [];
      const traces: (string | undefined)[] = [];
      const { id } = await start((inputs, ctx) => {
        keys.push(ctx.idempotencyKey);
        traces.push(ctx.traceparent);
        return word(inputs);
      });
      const runId = await chain(id, 'n1', 'n2');
      expect(await reported(runId)).toMatchObject({
        nodeId: 'n0',
        outputs: { copy: 'x+' },
        further: [
          { nodeId: 'n1', attempt: 1, outputs: { copy: 'x++' } },
          { nodeId: 'n2', attempt: 1, outputs: { copy: 'x+++' } },
        ],
      });
      expect(keys).toEqual([`${runId}:write:1`, 'n1:1', 'n2:1']);
      expect(traces).toEqual([TRACE, TRACE, TRACE]);
    });

    it('goes on with another capability that it serves, and reports that under its own key', async () => {
      const other = (more: Partial<Capability>) =>
        defineCapability(capability(`agent.c${(runs += 1)}`, more), (inputs) => ({
          copy: `${String(inputs['brief'])}-`,
        }));
      const first = defineCapability(capability(`agent.c${(runs += 1)}`), word);
      const [free, limited] = [other({}), other({ concurrency: 1 })];
      await start(word, {}, { capabilities: [first, free, limited] });
      const { capabilityId } = first.capability;
      const [id, elsewhere] = [free.capability.capabilityId, limited.capability.capabilityId];
      const runId = await chain(capabilityId, `n1@${id}`, `n2@${id}`, 'n3', `n4@${elsewhere}`);
      while (reports(runId).length < 3) await delay(5);
      // One that limits its steps counts them itself: it is left to its own consumer.
      expect(seen.flatMap((one) => (one.runId === runId && one.type === 'node.reported' ? [one.key] : []))).toEqual([
        capabilityId,
        id,
        capabilityId,
      ]);
      expect(reports(runId)).toMatchObject([
        { nodeId: 'n0', outputs: { copy: 'x+' }, at: { nodeId: 'n1', attempt: 1, follows: true } },
        {
          ...{ nodeId: 'n1', outputs: { copy: 'x+-' }, at: { nodeId: 'n3', attempt: 1, follows: true } },
          further: [{ nodeId: 'n2', outputs: { copy: 'x+--' } }],
        },
        { nodeId: 'n3', outputs: { copy: 'x+--+' } },
      ]);
      expect(reports(runId)[2]).not.toHaveProperty('at');
    });

    it('stops at the first failure, at an output that breaks its schema, and at one that is missing', async () => {
      const { id } = await start((inputs, ctx) => {
        if (ctx.nodeId === 'bad') throw new FatalError('no');
        return ctx.nodeId === 'mute' ? {} : word(inputs);
      });
      const failed = await reported(await chain(id, 'bad', 'n2'));
      expect(failed.further).toMatchObject([{ nodeId: 'bad', error: { message: 'no' } }]);
      const missing = await reported(await chain(id, 'mute', 'n2'));
      expect(missing.further).toMatchObject([{ nodeId: 'mute', outputs: {} }]);
      expect(missing.further).toHaveLength(1);
    });

    it('tells what is done while a slow one goes on, and reports that by itself', async () => {
      let finish = (): void => undefined;
      const finished = new Promise<void>((resolve) => (finish = resolve));
      const { id } = await start(async (inputs, ctx) => {
        if (ctx.nodeId === 'slow') await finished;
        return word(inputs);
      });
      const runId = await chain(id, 'slow', 'n2');
      expect(await reported(runId)).toMatchObject({ nodeId: 'n0', at: { nodeId: 'slow', attempt: 1 } });
      finish();
      while (reports(runId).length < 2) await delay(5);
      // What follows a slow step is sent out by itself.
      expect(reports(runId)[1]).toMatchObject({ nodeId: 'slow', outputs: { copy: 'x++' } });
      expect(reports(runId)[1]).not.toHaveProperty('further');
    });

    it('tells what is done before a further step says something', async () => {
      const { id } = await start(async (inputs, ctx) => {
        if (ctx.nodeId === 'n1') ctx.progress({ message: 'at it' });
        return word(inputs);
      });
      const runId = await chain(id, 'n1');
      while (reports(runId).length < 2) await delay(5);
      expect(typesOf(runId)).toEqual(['node.dispatched', 'node.reported', 'node.progressed', 'node.reported']);
    });

    it('reports at once what is large: a report holds one of them at most', async () => {
      const { id } = await start((inputs, ctx) => ({
        copy: ctx.nodeId === 'large' ? 'x'.repeat(400_000) : inputs['brief'],
      }));
      const { further } = await reported(await chain(id, 'n1', 'large', 'n3'));
      expect(further!.map(({ nodeId }) => nodeId)).toEqual(['n1', 'large']);
    });

    it('leaves the rest to others when it has to stop', async () => {
      let begin = (): void => undefined;
      const begun = new Promise<void>((resolve) => (begin = resolve));
      const { id, worker } = await start(
        async (inputs, ctx) => {
          if (ctx.nodeId !== 'n1') return word(inputs);
          begin();
          return new Promise((_, reject) =>
            ctx.signal.addEventListener('abort', () => reject(ctx.signal.reason as Error)),
          );
        },
        {},
        { patienceMs: 20 },
      );
      const runId = await chain(id, 'n1');
      await begun;
      await worker.stop();
      expect(await reported(runId)).toMatchObject({ nodeId: 'n0', outputs: { copy: 'x+' } });
      expect(reports(runId)[0]).not.toHaveProperty('further');
    });
  });
});
