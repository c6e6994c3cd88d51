import { gunzipSync } from 'node:zlib';
import { jest } from '@jest/globals';
import { jetstream } from '@nats-io/jetstream';
import { headers } from '@nats-io/nats-core';
import { sql } from 'kysely';
import { subjectOf } from '@flex/contracts';
import { LogUnavailable } from '@flex/events';
import { connectPostgres } from '@flex/events/postgres';
import { bootService, type RunningService } from '@flex/events/service';
import type { GatewayConfig } from './gateway-config.js';
import { gatewayService } from './gateway-service.js';
import type { TaskChange } from './core/run-row.js';
import type { GatewayDatabase } from './store/gateway-schema.js';
import { toRow } from './store/postgres-run-rows.js';
import { saveListing } from './store/save-listing.js';
import { envelope, GatewayCaller, PlayedServices, until } from './testing/gateway-fixture.js';
import { readFrames } from './testing/sse-client.js';
import { TestServers } from './testing/test-servers.js';

describe('runs that have ended', () => {
  let servers: TestServers;
  let gateway: RunningService<GatewayConfig>;
  let played: PlayedServices;
  let db: ReturnType<typeof connectPostgres<GatewayDatabase>>;
  const api = new GatewayCaller(() => gateway);
  const boot = (retention: string): Promise<RunningService<GatewayConfig>> =>
    bootService({
      ...gatewayService(),
      env: servers.env({
        FLEX_RETENTION_SECONDS: retention,
      }),
    });
  const rowOf = (runId: string) =>
    db.selectFrom('gateway.runs').selectAll().where('run_id', '=', runId).executeTakeFirst();
  const purgedAt = async (runId: string) =>
    (await db.selectFrom('gateway.archive').select('purged_at').where('run_id', '=', runId).executeTakeFirst())
      ?.purged_at ?? null;
  const countOf = async (runId: string): Promise<number> => {
    let count = 0;
    for await (const _ of played.log.readRun(runId)) count += 1;
    return count;
  };

  beforeAll(async () => {
    servers = await TestServers.start();
    gateway = await boot('3600');
    played = await servers.play();
    db = connectPostgres<GatewayDatabase>(servers.postgres.url);
  });
  afterAll(async () => {
    await gateway.stop();
    await db.destroy();
    await servers.stop();
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
    // By an agent in another language, with a text of its own for what others write differently.
    const marks = headers();
    for (const [name, value] of [
      ['Nats-Msg-Id', 'pretty'],
      ['ce-dataschema', 'urn:flex:node.progressed:1'],
    ] as const)
      marks.set(name, value);
    const subject = subjectOf('node.progressed', runIds[0]!, played.log.partitions, 'agent.write');
    const pretty = JSON.stringify({ nodeId: 'a', attempt: 1, fraction: 1, text: 'ü\n' }, null, 2).replace('1,', '1.0,');
    await jetstream(played.log.nc).publish(subject, pretty, { headers: marks });
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
    expect(before[0]!.events.items.find(({ id }) => id === 'pretty')).toMatchObject({ text: pretty });
    await gateway.stop();
    gateway = await boot('0');
    for (const runId of runIds) await until(async () => (await purgedAt(runId)) !== null, 'the purge');
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
    const listed = async () =>
      (await api.json<{ items: { runId: string }[] }>('/runs?limit=100')).items.find((run) => run.runId === runId);
    await played.finish(runId);
    await until(async () => (await purgedAt(runId)) !== null, 'the purge');
    const before = await listed();
    await gateway.stop();
    await sql`truncate gateway.runs, gateway.tasks, gateway.checkpoints`.execute(db);
    gateway = await boot('0');
    await until(async () => (await rowOf(next)) !== undefined, 'the rebuild');
    expect(await listed()).toEqual(before);
  });

  it('keep what a newer release has written, for those who can read it', async () => {
    const runId = await api.submit();
    const { seq } = await played.append('run.pause_requested', runId, { reason: 'known' });
    const stored = await (await played.log.manager()).streams.getMessage('FLEX', { seq });
    const later = headers();
    later.set('ce-dataschema', stored!.header.get('ce-dataschema').replace(/1$/, '2'));
    later.set('Nats-Msg-Id', 'from-the-next-release');
    played.log.nc.publish(stored!.subject, '{"why":{"text":"unheard of"}}', { headers: later });
    await played.finish(runId);
    await until(async () => (await purgedAt(runId)) !== null, 'the purge');
    const { history } = await db
      .selectFrom('gateway.archive')
      .select('history')
      .where('run_id', '=', runId)
      .executeTakeFirstOrThrow();
    const kept = gunzipSync(history)
      .toString()
      .split('\n')
      .filter((line) => line.includes('from-the-next-release'));
    expect(kept).toEqual([expect.stringMatching(/"version":2,.*"data":\{"why":\{"text":"unheard of"\}\}\}$/)]);
    // This release shows what it knows.
    const { items } = await api.json<{ items: { type: string; version: number }[] }>(`/runs/${runId}/events`);
    expect(items.filter(({ type }) => type === 'run.pause_requested')).toEqual([
      expect.objectContaining({ version: 1 }),
    ]);
  });

  it('are listed also when one of their tasks cannot be', async () => {
    const runId = await api.submit();
    await until(async () => (await rowOf(runId)) !== undefined, 'the run');
    const row = { ...toRow((await rowOf(runId))!), objective: 'changed', status: 'paused' } as const;
    const opened = (taskId: string, requestedAt: number): TaskChange => ({
      kind: 'opened',
      task: { taskId, runId, tenant: 'default', kind: 'approval', prompt: 'x', round: 0, requestedAt } as never,
    });
    const faults = await saveListing(db, row, [opened(`${runId}-1`, 1e300), opened(`${runId}-2`, 1)]);
    expect(faults).toEqual([expect.stringContaining('1e+300')]);
    expect((await rowOf(runId))?.status).toBe('paused');
    const tasks = await db.selectFrom('gateway.tasks').select('task_id').where('run_id', '=', runId).execute();
    expect(tasks).toEqual([{ task_id: `${runId}-2` }]);
  });

  it('are listed also when the store of large payloads could not be asked at first', async () => {
    const claims = Object.getPrototypeOf(played.log.claims) as typeof played.log.claims;
    const away = jest.spyOn(claims, 'get').mockRejectedValueOnce(new LogUnavailable('no answer'));
    try {
      const runId = await api.submit({ ...envelope, inputs: { text: 'x'.repeat(400_000) } });
      await until(async () => (await rowOf(runId)) !== undefined, 'the row');
      expect(away.mock.calls.length).toBeGreaterThan(1);
    } finally {
      away.mockRestore();
    }
  });

  it('can be deleted, open ones not', async () => {
    const runId = await api.submit();
    expect((await api.send('DELETE', `/runs/${runId}`)).status).toBe(409);
    await played.finish(runId);
    expect((await api.send('DELETE', `/runs/${runId}`)).status).toBe(204);
    expect((await api.get(`/runs/${runId}`)).status).toBe(404);
    expect((await api.send('DELETE', `/runs/${runId}`)).status).toBe(404);
  });

  it('are gone on every replica as soon as the log says so, archived or not', async () => {
    const other = await boot('3600');
    try {
      const elsewhere = new GatewayCaller(() => other);
      const [kept, archived, hot] = [await api.submit(), await api.submit(), await api.submit()];
      for (const runId of [kept, archived, hot]) await played.finish(runId);
      await until(async () => (await rowOf(archived))?.status === 'completed', 'the row');
      await db.updateTable('gateway.runs').set({ ended_at: 1 }).where('run_id', '=', archived).execute();
      await until(
        async () =>
          (await db.selectFrom('gateway.archive').select('run_id').where('run_id', '=', archived).execute()).length ===
          1,
        'the archive',
      );
      // The other replica holds all of them in memory, and goes on reading because somebody watches an open run.
      const watching = await elsewhere.get(`/runs/${await api.submit()}/stream`);
      for (const runId of [kept, archived, hot]) await readFrames(await elsewhere.get(`/runs/${runId}/stream`));
      for (const runId of [archived, hot]) {
        expect((await api.send('DELETE', `/runs/${runId}`)).status).toBe(204);
        await until(async () => (await elsewhere.get(`/runs/${runId}`)).status === 404, 'the deletion');
        for (const what of ['', '/stream', '/events', '/output', '/plan', '/explain'])
          expect([what, (await elsewhere.get(`/runs/${runId}${what}`)).status]).toEqual([what, 404]);
        expect(await countOf(runId)).toBe(1);
        expect(await rowOf(runId)).toBeUndefined();
      }
      expect((await elsewhere.get(`/runs/${kept}`)).status).toBe(200);
      await watching.body!.cancel();
      // Deleted by a replica that died right after saying so: the projection does the rest.
      await played.log.append({ type: 'run.deleted', runId: kept, id: `run.deleted.${kept}`, data: {} });
      await until(async () => (await rowOf(kept)) === undefined && (await countOf(kept)) === 1, 'the rest');
    } finally {
      await other.stop();
    }
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

  it('are kept by an interruption, and deleted by a rollback unless they came to their end by themselves', async () => {
    const types = async (runId: string) =>
      (await api.json<{ items: { type: string }[] }>(`/runs/${runId}/events?limit=500`)).items.map(({ type }) => type);
    const submit = async (threadId: string, onConflict?: string): Promise<string> => {
      const runId = await api.submit({ ...envelope, metadata: { threadId, ...(onConflict ? { onConflict } : {}) } });
      await until(async () => (await rowOf(runId)) !== undefined, 'the row');
      return runId;
    };
    const onThread = async (threadId: string) =>
      (await api.json<{ items: { runId: string; status: string }[] }>(`/runs?threadId=${threadId}`)).items;
    for (const onConflict of ['interrupt', 'rollback']) {
      const [undone, done] = [await submit(onConflict), await submit(onConflict)];
      const next = await submit(onConflict, onConflict);
      expect(await types(undone)).toContain('run.cancel_requested');
      expect(await types(next)).not.toContain('run.released');
      await played.append('run.cancelled', undone, { reason: 'as asked' });
      await played.finish(done);
      await until(async () => (await types(next)).includes('run.released'), 'the release');
      const left = (await onThread(onConflict)).map(({ runId }) => runId);
      if (onConflict === 'interrupt') {
        expect(left).toEqual([next, done, undone]);
        expect(await api.json(`/runs/${undone}`)).toMatchObject({ status: 'cancelled' });
      } else {
        expect(left).toEqual([next, done]);
        expect((await api.get(`/runs/${undone}`)).status).toBe(404);
        expect(await countOf(undone)).toBe(1);
      }
    }
  });

  it('notices a log that is older than the read models, and lists only what log and archive have', async () => {
    const runId = await api.submit();
    await until(async () => (await rowOf(runId)) !== undefined);
    const listed = async () =>
      new Set((await db.selectFrom('gateway.runs').select('run_id').execute()).map((row) => row.run_id));
    const archived = await db.selectFrom('gateway.archive').select('run_id').execute();
    const kept = [runId, ...archived.map((row) => row.run_id)];
    expect(kept.length).toBeGreaterThan(2);
    await gateway.stop();
    // As after a restore of an older copy of the log: Postgres tells of a run, and of events, that the log never had.
    await sql`insert into gateway.runs select (jsonb_populate_record(r, '{"run_id": "never-happened"}')).*
      from gateway.runs r where run_id = ${runId}`.execute(db);
    await sql`update gateway.checkpoints set seq = seq + 1000`.execute(db);
    gateway = await boot('3600');
    await until(async () => {
      const now = await listed();
      return !now.has('never-happened') && kept.every((id) => now.has(id));
    }, 'what log and archive have');
  });
});
