import { setTimeout as delay } from 'node:timers/promises';
import { sql } from 'kysely';
import { connectNats, openEventLog } from '@flex/events';
import { connectPostgres } from '@flex/events/postgres';
import { OperatorFault, told } from './history.js';

const TIMEOUT_MS = 10 * 60_000;

/**
 * `flex rebuild`: drops read models and snapshots and has them made again from the log and the archive. The archive
 * itself stays: runs that have left the log are in no other place. Safe while everything runs: the leader of the
 * projection loses its session, every partition is claimed anew, and both begin from the beginning.
 */
export const main = (_argv: string[], env: NodeJS.ProcessEnv): Promise<number> =>
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
    const db = connectPostgres<never>(databaseUrl, { name: 'flex-rebuild', max: 2 });
    try {
      const log = await openEventLog({ nc, source: 'orchestrator' });
      const target = await log.lastSeq();
      await db.transaction().execute(async (trx) => {
        await sql`truncate gateway.runs, gateway.tasks, gateway.checkpoints, orchestrator.runs, orchestrator.checkpoints`.execute(
          trx,
        );
      });
      await sql`select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory' and pid <> pg_backend_pid() and pid in
        (select pid from pg_stat_activity where datname = current_database())`.execute(db);
      for (let partition = 0; partition < log.partitions; partition++) await log.claimPartition(partition, 'rebuild');
      const begun = performance.now();
      for (;;) {
        const { rows } = await sql<{ seq: string }>`select seq from gateway.checkpoints`
          .execute(db)
          .catch(() => ({ rows: [] }));
        if (rows.some((row) => Number(row.seq) >= target)) break;
        if (performance.now() - begun > TIMEOUT_MS)
          throw new OperatorFault('the read models did not catch up within ten minutes; see ./flex logs gateway');
        await delay(100);
      }
      process.stdout.write(
        `read models and snapshots are made again from ${target} events in ${((performance.now() - begun) / 1000).toFixed(1)} s\n`,
      );
      return 0;
    } finally {
      await db.destroy();
      await nc.close();
    }
  });
