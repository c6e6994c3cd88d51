import { setTimeout as delay } from 'node:timers/promises';
import { sql, type Kysely } from 'kysely';
import { connectNats, openEventLog, type EventLog } from '@flex/events';
import { connectPostgres } from '@flex/events/postgres';
import { OperatorFault, told } from './history.js';
import { compareRebuilt, keepForComparison } from './rebuilt-rows.js';

const TIMEOUT_MS = 10 * 60_000;

/**
 * `flex rebuild`: drops read models and snapshots, has them made again from the log and the archive, and compares every
 * row. The archive itself stays: runs that have left the log are in no other place. Safe while everything runs: the
 * leader of the projection loses its session, every partition is claimed anew, and both begin from the beginning.
 */
export const main = (argv: string[], env: NodeJS.ProcessEnv): Promise<number> =>
  told(async () => {
    const { NATS_URL: natsUrl, DATABASE_URL: databaseUrl } = env;
    if (!natsUrl || !databaseUrl)
      throw new OperatorFault('NATS_URL and DATABASE_URL are needed, or a running embedded stack');
    const nc = await connectNats({
      url: natsUrl,
      name: 'flex-rebuild',
      user: env['NATS_USER'],
      pass: env['NATS_PASSWORD'],
    });
    const db = connectPostgres<never>(databaseUrl, { name: 'flex-rebuild', max: 1 });
    try {
      const log = await openEventLog({ nc, source: 'orchestrator' });
      // One session: what is kept for the comparison is its own.
      const report = await db.connection().execute((session) => rebuild(session, log));
      process.stdout.write(
        argv.includes('--json')
          ? `${JSON.stringify(report)}\n`
          : `read models and snapshots are made again from ${report.seq} events in ${report.seconds} s; ` +
              `${report.compared} rows compared, ${report.differing.length} differ\n` +
              report.differing.map((row) => `  ${row}\n`).join(''),
      );
      return report.differing.length === 0 ? 0 : 1;
    } finally {
      await db.destroy();
      await nc.close();
    }
  });

async function rebuild(db: Kysely<never>, log: EventLog) {
  const begun = performance.now();
  const seq = await log.lastSeq();
  let projected = 0;
  await db.transaction().execute(async (trx) => {
    await sql`lock table gateway.runs, gateway.tasks, orchestrator.runs in share mode`.execute(trx);
    await keepForComparison(trx);
    const { rows } = await sql<{
      seq: string;
    }>`delete from gateway.checkpoints where name = 'read-models' returning seq`.execute(trx);
    projected = Number(rows[0]?.seq ?? 0);
    // An owner whose checkpoint is gone saves nothing more: no half of the old snapshots stays.
    await sql`truncate gateway.runs, gateway.tasks, orchestrator.runs, orchestrator.checkpoints`.execute(trx);
  });
  await sql`select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory' and pid <> pg_backend_pid() and pid in
    (select pid from pg_stat_activity where datname = current_database())`.execute(db);
  for (let partition = 0; partition < log.partitions; partition++) await log.claimPartition(partition, 'rebuild');
  const claimed = await log.lastSeq();
  for (;;) {
    const missing = await whatIsMissing(db, log.partitions, seq, projected);
    if (!missing) break;
    if (performance.now() - begun > TIMEOUT_MS)
      throw new OperatorFault(`${missing} did not catch up within ten minutes; see ./flex logs`);
    await delay(100);
  }
  const { compared, differing } = await compareRebuilt(db);
  return { seq: claimed, seconds: Number(((performance.now() - begun) / 1000).toFixed(1)), compared, differing };
}

/** Who is not yet where it was at the beginning. */
async function whatIsMissing(
  db: Kysely<never>,
  partitions: number,
  seq: number,
  projected: number,
): Promise<string | undefined> {
  const { rows } = await sql<{ seq: string }>`select seq from gateway.checkpoints where name = 'read-models'`.execute(
    db,
  );
  if (!rows.some((row) => Number(row.seq) >= projected)) return 'the read models of the gateway';
  // A partition's checkpoint moves with its own events, and its owner's new claim is one.
  const saved = await sql<{ count: string }>`select count(*) from orchestrator.checkpoints where seq > ${seq}`.execute(
    db,
  );
  return Number(saved.rows[0]!.count) < partitions ? 'the snapshots of the orchestrator' : undefined;
}
