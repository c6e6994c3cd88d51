import { jest } from '@jest/globals';
import { sql } from 'kysely';
import { connectNats, ensureStreams, EventLog, LogClock, readLogShape } from '@flex/events';
import { connectPostgres, migrate } from '@flex/events/postgres';
import { createLogger } from '@flex/events/service';
import { startNats, startPostgres, type TestNats, type TestPostgres } from '@flex/embedded/testing';
import type { GatewayRequest } from './security/caller.js';
import { StreamTickets } from './security/stream-tickets.js';
import { migrations, SCHEMA, type GatewayDatabase } from './store/gateway-schema.js';
import { PostgresArchivist } from './store/postgres-archivist.js';
import { Idempotency } from './store/postgres-idempotency.js';
import { envelope, PlayedServices } from './testing/gateway-fixture.js';

const HOUR = 3_600_000;

describe.each([-24 * HOUR, 24 * HOUR])('a gateway whose clock is %i ms off', (skew) => {
  const right = Date.now.bind(Date);
  let nats: TestNats;
  let postgres: TestPostgres;
  let nc: Awaited<ReturnType<typeof connectNats>>;
  let log: EventLog;
  let clock: LogClock;
  let db: ReturnType<typeof connectPostgres<GatewayDatabase>>;

  beforeAll(async () => {
    [nats, postgres] = await Promise.all([startNats(), startPostgres()]);
    jest.spyOn(Date, 'now').mockImplementation(() => right() + skew);
    nc = await connectNats({ url: nats.url, name: 'skewed' });
    await ensureStreams(nc);
    log = new EventLog(nc, 'orchestrator', await readLogShape(nc));
    clock = new LogClock(log);
    await clock.ready;
    db = connectPostgres<GatewayDatabase>(postgres.url);
    await migrate(db, SCHEMA, migrations);
  });
  afterAll(async () => {
    jest.restoreAllMocks();
    clock.close();
    await db.destroy();
    await nc.close();
    await Promise.all([nats.stop(), postgres.stop()]);
  });

  it("has the log's time", () => {
    expect(Math.abs(clock.now() - right())).toBeLessThan(1_000);
  });

  it('archives a run, and lets it leave the log, when its time has come by the log', async () => {
    const played = new PlayedServices(log);
    const data = { envelope, tenant: 'default', correlationId: 'c' };
    const { seq } = await played.append('run.submitted', 'r', data);
    await played.finish('r');
    const events = [];
    for await (const event of log.readRun('r')) events.push(event);
    const ended = events.at(-1)!;
    await db
      .insertInto('gateway.runs')
      .values({
        ...{ run_id: 'r', tenant: 'default', status: 'completed', objective: '', correlation_id: 'c', thread_id: null },
        ...{ labels: '{}', plan_version: 1, open_tasks: 0, submitted_at: events[0]!.time, ended_at: ended.time },
        ...{ first_seq: seq, last_seq: ended.seq, state: '{}' },
      })
      .execute();
    const archivist = (retentionMs: number): PostgresArchivist =>
      new PostgresArchivist(
        log,
        clock,
        db,
        { known: async () => undefined },
        createLogger('gateway', 'skewed', 'silent'),
        retentionMs,
      );
    // Too young for both.
    expect(await archivist(HOUR).archiveEnded()).toBe(0);
    expect(await archivist(0).archiveEnded()).toBe(1);
    expect(await archivist(HOUR).purgeOld()).toBe(0);
    expect(await log.lastSeq('run.submitted.>')).toBe(seq);
    expect(await archivist(0).purgeOld()).toBe(1);
    expect(await log.lastSeq('run.submitted.>')).toBe(0);
  });

  it('takes a first request for abandoned, and forgets a key, by the clock of the database', async () => {
    const idempotency = new Idempotency(db);
    const request = {
      ...{ headers: { 'idempotency-key': 'k' }, caller: { tenant: 'default', scopes: new Set() } },
      ...{ method: 'POST', url: '/x', body: {} },
    } as unknown as GatewayRequest;
    const made = (): Promise<string> => idempotency.once(request, 'second', (id) => Promise.resolve(id));
    const age = (seconds: number) =>
      sql`update gateway.idempotency set created_at = now() - make_interval(secs => ${seconds})`.execute(db);
    const keys = async (): Promise<number> =>
      (await db.selectFrom('gateway.idempotency').select('key').execute()).length;
    let begun!: () => void;
    const first = new Promise<void>((resolve) => (begun = resolve));
    // It dies on the way: its promise never settles.
    void idempotency.once(request, 'first', () => new Promise(() => begun()));
    await first;
    await expect(made()).rejects.toMatchObject({ problem: { code: 'idempotency_busy' } });
    await age(31);
    expect(await made()).toBe('first');
    await idempotency.clean();
    expect(await keys()).toBe(1);
    await age(86_401);
    await idempotency.clean();
    expect(await keys()).toBe(0);
  });

  it('gives tickets that open streams for as long as they say, here and elsewhere', async () => {
    const secret = (): Promise<Buffer> => Promise.resolve(Buffer.from('secret'));
    const here = new StreamTickets(secret, clock);
    const elsewhere = (sinceThen: number): StreamTickets =>
      new StreamTickets(secret, { now: () => right() + sinceThen });
    const caller = { tenant: 'default', scopes: new Set<never>() };
    const wish = { seconds: 60 };
    for (const [issuer, reader] of [
      [here, elsewhere],
      [elsewhere(0), () => here],
    ] as const) {
      const { ticket } = await issuer.issue(caller, wish);
      expect(await reader(50_000).holder(ticket, undefined)).toMatchObject({ tenant: 'default' });
    }
    const { ticket } = await here.issue(caller, wish);
    expect(await elsewhere(70_000).holder(ticket, undefined)).toBeUndefined();
  });
});
