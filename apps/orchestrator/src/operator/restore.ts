import { createReadStream, readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { jetstreamManager } from '@nats-io/jetstream';
import { sql } from 'kysely';
import { restoreStream } from '@flex/events';
import { isBackup, manifestFile, servers, streamFile, tableFile, type BackupManifest } from './backup.js';
import { OperatorFault, told, WrongUsage } from './history.js';
import { isEmpty, migrationsOf, restoreTables } from './postgres-copy.js';

const ALONE = '; the streams had several replicas: --replicas 1 fits them into a single server';
const USAGE = 'usage: flex restore <folder> [--replicas 1|3|5]';

/**
 * `flex restore <folder>`: fills empty servers from a backup, before the services are started. Everything is then as it
 * was at the backup's last event; read models and snapshots are made again by the services themselves.
 */
export const main = (argv: string[], env: NodeJS.ProcessEnv): Promise<number> =>
  told(async () => {
    const { folder, replicas } = readArguments(argv);
    if (!isBackup(folder)) throw new OperatorFault(`${folder} holds no backup: there is no ${manifestFile(folder)}`);
    const manifest = JSON.parse(readFileSync(manifestFile(folder), 'utf8')) as BackupManifest;
    const { nc, db } = await servers(env, 'restore');
    try {
      refuseWhatIsInUse((await (await jetstreamManager(nc)).streams.names().next()).length > 0, 'NATS');
      const migrations = await migrationsOf(db);
      if (JSON.stringify(migrations) !== JSON.stringify(manifest.migrations))
        throw new OperatorFault(
          'the tables are not those of the release that made the backup: restore with that release (./flex migrate makes its tables), then upgrade',
        );
      refuseWhatIsInUse(!(await isEmpty(db)), 'Postgres');
      for (const copy of manifest.streams) {
        const config = replicas === undefined ? copy.config : { ...copy.config, num_replicas: replicas };
        await restoreStream(nc, { ...copy, config }, createReadStream(streamFile(folder, copy.config.name))).catch(
          (error: Error) => {
            throw new OperatorFault(`${error.message}${config.num_replicas > 1 ? ALONE : ''}`);
          },
        );
      }
      await restoreTables(
        db,
        (table) => tableFile(folder, table),
        async (trx) => {
          // Postgres was copied a little later than the log. What is younger than the log's copy is not told from here:
          // those runs lie in the log, as they were, or are gone.
          await sql`delete from gateway.archive where last_seq > ${manifest.lastSeq}`.execute(trx);
          await sql`delete from gateway.idempotency where created_at > ${manifest.takenAt}`.execute(trx);
        },
      );
      process.stdout.write(
        `restored everything up to event ${manifest.lastSeq}, as of ${manifest.takenAt}; start the services\n`,
      );
      return 0;
    } finally {
      await db.destroy();
      await nc.close();
    }
  });

function readArguments(argv: string[]): { folder: string; replicas: number | undefined } {
  try {
    const { values, positionals } = parseArgs({
      args: argv,
      allowPositionals: true,
      options: { replicas: { type: 'string' } },
    });
    const replicas = values.replicas === undefined ? undefined : Number(values.replicas);
    if (positionals.length === 1 && (replicas === undefined || [1, 3, 5].includes(replicas)))
      return { folder: positionals[0]!, replicas };
  } catch {
    // Said below.
  }
  throw new WrongUsage(USAGE);
}

function refuseWhatIsInUse(used: boolean, what: string): void {
  if (used) throw new OperatorFault(`${what} holds data already: restore into empty servers, with no service running`);
}
