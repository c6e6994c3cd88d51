import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gunzipSync, gzipSync } from 'node:zlib';
import { sql, type RawBuilder } from 'kysely';
import { startNats, startPostgres, type TestNats, type TestPostgres } from '@flex/embedded/testing';
import { connectPostgres } from '@flex/events/postgres';
import { resumesExactly } from '../harness/expectations.js';
import { OwnStack } from '../harness/own-stack.js';

const LAUNCHER = fileURLToPath(new URL('../../deploy/embedded/dist/main.js', import.meta.url));

const freeform = (objective: string) => ({
  objective,
  outputContract: { mode: 'freeform', instructions: 'One sentence.' },
});

describe('Backup and restore', () => {
  const folder = mkdtempSync(join(tmpdir(), 'flex-backup-'));
  const copy = join(folder, 'copy');
  let nats: TestNats;
  let postgres: TestPostgres;
  let stack: OwnStack | undefined;

  const flex = (...argv: string[]): Promise<{ code: number; text: string }> =>
    new Promise((resolve) => {
      const env = {
        ...process.env,
        NATS_URL: nats.url,
        DATABASE_URL: postgres.url,
        FLEX_HOME: join(folder, 'no-stack'),
      };
      execFile(process.execPath, [LAUNCHER, ...argv], { env }, (error, stdout, stderr) =>
        resolve({ code: error ? Number(error.code ?? 1) : 0, text: `${stdout}${stderr}` }),
      );
    });

  beforeAll(async () => {
    [nats, postgres] = await Promise.all([startNats(), startPostgres()]);
    // Ended runs are archived at once and leave the log soon: then the copy of Postgres alone has them.
    stack = await OwnStack.start({ without: ['worker'], env: { FLEX_RETENTION_SECONDS: '2' } });
  }, 120_000);
  afterAll(async () => {
    await stack?.stop();
    await Promise.all([nats?.stop(), postgres?.stop()]);
    rmSync(folder, { recursive: true, force: true });
  }, 60_000);

  it('gives back everything up to the last event of the backup, and goes on from there', async () => {
    const first = stack!;
    const { http } = first;
    const end = async (objective: string): Promise<string> => {
      const stream = http.stream(freeform(objective));
      const asked = await stream.untilType('hitl_request');
      await http.resolve(asked.payload['taskId'] as string, { resolution: 'output', output: { output: 'Done.' } });
      await stream.completed();
      return asked.runId;
    };
    const archived = await end('a run that has left the log');
    await hasLeftTheLog(first.databaseUrl, archived);
    const ended = await end('a run that has just ended');
    // Values that are too large for the log lie beside it, and come back with it.
    const large = { ...freeform('a run that waits for a person'), inputs: { text: 'ü'.repeat(600_000) } };
    const waiting = (await http.stream(large).untilType('hitl_request')).runId;
    const told = async (from: OwnStack['http']) =>
      Promise.all([archived, ended, waiting].map(async (id) => [await from.run(id), await from.stored(id)]));
    const before = await told(http);

    expect(await first.command('backup', copy)).toMatchObject({ code: 0 });
    expect(await first.command('backup', copy)).toMatchObject({ code: 1, text: expect.stringContaining('not empty') });
    // What happens afterwards is not in it: neither a run nor an answer.
    const later = await end('a run after the backup');
    const said = await http.send('POST', '/api/v1/flex/runs', freeform('said after the backup'), {
      'idempotency-key': 'k',
    });
    expect(said.status).toBe(202);
    // As if Postgres had been copied only now: its copy may know what the copy of the log does not.
    await hasLeftTheLog(first.databaseUrl, later);
    await copyAgain(first.databaseUrl, copy, 'gateway.archive', sql`run_id = ${later}`);
    await copyAgain(first.databaseUrl, copy, 'gateway.idempotency', sql`key = 'k'`);
    const [task] = await http.openTasks(waiting);
    await http.resolve(task!.taskId, { resolution: 'output', output: { output: 'Lost.' } });
    await http.follow(waiting).completed();
    await first.stop();
    stack = undefined;

    // As if the log had been in a cluster.
    const manifest = join(copy, 'backup.json');
    writeFileSync(manifest, readFileSync(manifest, 'utf8').replaceAll('"num_replicas": 1', '"num_replicas": 3'));
    expect(await flex('restore', copy)).toMatchObject({ code: 1, text: expect.stringContaining('--replicas 1') });
    const restored = await flex('restore', '--replicas', '1', copy);
    expect(restored).toMatchObject({ code: 0, text: expect.stringContaining('restored everything up to event') });
    expect(await flex('restore', copy)).toMatchObject({ code: 1, text: expect.stringContaining('holds data already') });
    const second = await OwnStack.start({
      without: ['worker'],
      env: { NATS_URL: nats.url, DATABASE_URL: postgres.url },
    });
    stack = second;
    await isListed(second, [archived, ended, waiting]);
    expect(await told(second.http)).toEqual(before);
    expect((await second.http.send('GET', `/api/v1/flex/runs/${later}`)).status).toBe(404);
    // A key that stands for a run which is not there any more would answer with it for ever.
    const again = await second.http.send('POST', '/api/v1/flex/runs', freeform('said after the backup'), {
      'idempotency-key': 'k',
    });
    expect(again.status).toBe(202);
    expect(again.body).not.toMatchObject({ runId: (said.body as { runId: string }).runId });

    const [open] = await second.http.openTasks(waiting);
    expect(open?.taskId).toBe(task!.taskId);
    const stream = second.http.follow(waiting);
    await second.http.resolve(open!.taskId, { resolution: 'output', output: { output: 'Answered again.' } });
    expect((await stream.completed()).at(-1)!.payload).toMatchObject({ output: 'Answered again.' });
    await resumesExactly(second.http, stream);
  });
});

/** The run is in the archive, and nowhere else. */
async function hasLeftTheLog(databaseUrl: string, runId: string): Promise<void> {
  const db = connectPostgres<never>(databaseUrl, { max: 1 });
  try {
    for (;;) {
      const { rows } =
        await sql`select 1 from gateway.archive where run_id = ${runId} and purged_at is not null`.execute(db);
      if (rows.length > 0) return;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  } finally {
    await db.destroy();
  }
}

/** Adds rows to the copy of a table. */
async function copyAgain(databaseUrl: string, copy: string, table: string, which: RawBuilder<unknown>): Promise<void> {
  const db = connectPostgres<never>(databaseUrl, { max: 1 });
  try {
    const { rows } = await sql<{ line: string }>`
      select row_to_json(t)::text as line from ${sql.table(table)} t where ${which}`.execute(db);
    expect(rows).toHaveLength(1);
    const file = join(copy, `${table}.jsonl.gz`);
    writeFileSync(file, gzipSync(Buffer.concat([gunzipSync(readFileSync(file)), Buffer.from(`${rows[0]!.line}\n`)])));
  } finally {
    await db.destroy();
  }
}

/** Read models are made again while the gateway answers already. */
async function isListed(stack: OwnStack, runIds: string[]): Promise<void> {
  for (;;) {
    const answers = await Promise.all(runIds.map((runId) => stack.http.send('GET', `/api/v1/flex/runs/${runId}`)));
    const tasks = await stack.http.openTasks(runIds.at(-1)!);
    if (answers.every(({ status }) => status === 200) && tasks.length > 0) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
