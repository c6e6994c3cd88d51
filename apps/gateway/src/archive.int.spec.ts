import { sql } from 'kysely';
import { connectNats, EventLog, readLogShape } from '@flex/events';
import { connectPostgres } from '@flex/events/postgres';
import { bootService, type RunningService } from '@flex/events/service';
import { startNats, startPostgres, type TestNats, type TestPostgres } from '@flex/embedded/testing';
import type { GatewayConfig } from './gateway-config.js';
import { gatewayService } from './gateway-service.js';
import type { GatewayDatabase } from './store/gateway-schema.js';
import { envelope, GatewayCaller, PlayedServices, until } from './testing/gateway-fixture.js';
import { readFrames } from './testing/sse-client.js';

describe('runs that have ended', () => {
  let nats: TestNats;
  let postgres: TestPostgres;
  let gateway: RunningService<GatewayConfig>;
  let nc: Awaited<ReturnType<typeof connectNats>>;
  let played: PlayedServices;
  let db: ReturnType<typeof connectPostgres<GatewayDatabase>>;
  const api = new GatewayCaller(() => gateway);
  const boot = (retention: string): Promise<RunningService<GatewayConfig>> =>
    bootService({
      ...gatewayService(),
      env: {
        NATS_URL: nats.url,
        DATABASE_URL: postgres.url,
        FLEX_LOG_LEVEL: process.env['FLEX_TEST_LOG'] ?? 'silent',
        FLEX_RETENTION_SECONDS: retention,
      },
    });
  const rowOf = (runId: string) =>
    db.selectFrom('gateway.runs').selectAll().where('run_id', '=', runId).executeTakeFirst();
  const countOf = async (runId: string): Promise<number> => {
    let count = 0;
    for await (const _ of played.log.readRun(runId)) count += 1;
    return count;
  };

  beforeAll(async () => {
    [nats, postgres] = await Promise.all([startNats(), startPostgres()]);
    gateway = await boot('3600');
    nc = await connectNats({ url: nats.url, name: 'test' });
    played = new PlayedServices(new EventLog(nc, 'orchestrator', await readLogShape(nc)));
    db = connectPostgres<GatewayDatabase>(postgres.url);
  });
  afterAll(async () => {
    await gateway.stop();
    await db.destroy();
    await nc.close();
    await Promise.all([nats.stop(), postgres.stop()]);
  });

  it('leave the log for one row each, and are read and streamed as before', async () => {
    const large = { ...envelope, inputs: { text: 'ü'.repeat(400_000) } };
    const runIds = [
      await api.submit(),
      await api.submit(large),
      await api.submit({ ...envelope, metadata: { labels: { a: 'b' } } }),
    ];
    const open = await api.submit();
    await Promise.all(runIds.map((runId) => played.finish(runId)));
    const look = async (runId: string) => ({
      run: await api.json(`/runs/${runId}`),
      events: await api.json<{ items: { digest: string; data: unknown; seq: number; id: string }[] }>(
        `/runs/${runId}/events?limit=500`,
      ),
      frames: await readFrames(await api.get(`/runs/${runId}/stream`)),
      explain: await api.json(`/runs/${runId}/explain`),
    });
    const before = await Promise.all(runIds.map(look));
    expect(before[0]!.frames.at(-1)!.event).toBe('complete');
    await gateway.stop();
    gateway = await boot('0');
    for (const runId of runIds) await until(async () => (await rowOf(runId))?.purged_at !== null, 'the purge');
    for (const runId of runIds) expect(await countOf(runId)).toBe(0);
    expect(await countOf(open)).toBe(1);
    expect((await rowOf(open))?.status).toBe('submitted');
    const after = await Promise.all(runIds.map(look));
    expect(after).toEqual(before);
    const [first] = before;
    const cut = first!.frames[2]!.id!;
    const rest = await readFrames(await api.get(`/runs/${runIds[0]}/stream`, { 'last-event-id': cut }));
    expect(rest.map((frame) => frame.id)).toEqual(first!.frames.slice(3).map((frame) => frame.id));
    expect((await api.json<{ items: unknown[] }>('/runs?label=a:b')).items).toHaveLength(1);
  });

  it('are listed again when the read models were emptied', async () => {
    const before = await api.json('/runs?limit=100');
    await gateway.stop();
    await sql`truncate gateway.runs, gateway.tasks, gateway.checkpoints`.execute(db);
    gateway = await boot('0');
    await until(
      async () =>
        (await api.json<{ items: unknown[] }>('/runs?limit=100')).items.length ===
        (before['items'] as unknown[]).length,
      'the rebuild',
    );
    expect(await api.json('/runs?limit=100')).toEqual(before);
  });

  it('are listed whatever their tasks and labels hold', async () => {
    const odd = 'a\u0000b\\u0000c\ud800d';
    const runId = await api.submit({ ...envelope, objective: `x${odd}`, metadata: { labels: { odd }, threadId: odd } });
    const assignment = { role: odd };
    await played.append('hitl.requested', runId, {
      task: {
        taskId: `${runId}-1-1`,
        kind: 'approval',
        prompt: odd,
        onTimeout: 'none',
        round: 0,
        dueAt: 1234567890123.25,
        assignment,
      },
    });
    await until(
      async () =>
        (await api.json<{ items: { runId: string }[] }>('/tasks?status=open')).items.some(
          (task) => task.runId === runId,
        ),
      'the task',
    );
    await played.append('hitl.requested', runId, {
      task: { taskId: `${runId}-2-1`, kind: 'approval', prompt: 'x', onTimeout: 'none', round: 0, dueAt: 1e300 },
    });
    const next = await api.submit();
    await until(
      async () => (await api.json<{ items: { runId: string }[] }>('/runs?limit=1')).items[0]?.runId === next,
      'the next run',
    );
  });

  it('can be deleted, open ones not', async () => {
    const runId = await api.submit();
    expect((await api.send('DELETE', `/runs/${runId}`)).status).toBe(409);
    await played.finish(runId);
    expect((await api.send('DELETE', `/runs/${runId}`)).status).toBe(204);
    expect((await api.get(`/runs/${runId}`)).status).toBe(404);
    expect((await api.send('DELETE', `/runs/${runId}`)).status).toBe(404);
  });

  it('end the reading when they are purged under it', async () => {
    const runId = await api.submit();
    const progress = (count: number) =>
      played.append('node.progressed', runId, { nodeId: 'a', attempt: 1, fraction: count / 3000 }, 'agent.write');
    for (let from = 0; from < 3000; from += 500)
      await Promise.all(Array.from({ length: 500 }, (_, index) => progress(from + index)));
    let read = 0;
    for await (const _ of played.log.readRun(runId)) if (++read === 1) await played.log.purgeRun(runId);
    expect(read).toBeLessThan(3001);
  });

  it('start others with what they had finished', async () => {
    const runId = await api.submit();
    await played.finish(runId);
    const events = (await api.json<{ items: { seq: number; type: string }[] }>(`/runs/${runId}/events`)).items;
    const until = events.find((event) => event.type === 'node.reported' && event.seq > events[3]!.seq)!.seq;
    const response = await api.post(`/runs/${runId}/fork`, { fromSeq: until });
    expect(response.status).toBe(202);
    const fork = ((await response.json()) as { runId: string }).runId;
    const [submitted] = (await api.json<{ items: { data: unknown }[] }>(`/runs/${fork}/events`)).items;
    expect(submitted!.data).toMatchObject({
      forkOf: { runId, seq: until },
      seed: { context: { copy: 'hello' }, completed: ['a'] },
    });
  });

  it('let the next run of their thread go', async () => {
    const thread = (onConflict?: string) => ({
      ...envelope,
      metadata: { threadId: 't1', ...(onConflict ? { onConflict } : {}) },
    });
    const first = await api.submit(thread());
    await until(async () => (await rowOf(first)) !== undefined, 'the row');
    expect((await api.post('/runs', thread('reject'))).status).toBe(409);
    const second = await api.submit(thread('enqueue'));
    expect((await api.json<{ items: { data: unknown }[] }>(`/runs/${second}/events`)).items[0]!.data).toMatchObject({
      after: [first],
    });
    await played.finish(first);
    await until(
      async () =>
        (await api.json<{ items: { type: string }[] }>(`/runs/${second}/events`)).items.some(
          (event) => event.type === 'run.released',
        ),
      'the release',
    );
    const third = await api.submit(thread('interrupt'));
    expect(
      (await api.json<{ items: { type: string }[] }>(`/runs/${second}/events`)).items.map((event) => event.type),
    ).toContain('run.cancel_requested');
    expect(third).not.toBe(second);
  });
});
