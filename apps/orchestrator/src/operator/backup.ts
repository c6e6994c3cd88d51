import { createWriteStream, existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  Bucket,
  connectNats,
  DEAD_LETTER_STREAM,
  kvStream,
  LOG_STREAM,
  REGISTRY_STREAM,
  saveStream,
} from '@flex/events';
import type { StreamCopy } from '@flex/events';
import { connectPostgres } from '@flex/events/postgres';
import { OperatorFault, told, WrongUsage } from './history.js';
import { migrationsOf, saveTables } from './postgres-copy.js';

/** What lies beside the copies and says what they are. */
export interface BackupManifest {
  format: 1;
  takenAt: string;
  /** Everything is as it was when this was the last event of the log. */
  lastSeq: number;
  streams: StreamCopy[];
  tables: Record<string, number>;
  migrations: Record<string, string[]>;
}

/**
 * The log goes first: a run is archived before it leaves the log, so each is in the copy of the log, or in the archive
 * that is copied after it. Large values follow the events that name them. Leases and heartbeats are not kept: those who
 * live say so again.
 */
const STREAMS = [LOG_STREAM, `OBJ_${Bucket.claims}`, REGISTRY_STREAM, kvStream(Bucket.registry), DEAD_LETTER_STREAM];

export const streamFile = (folder: string, stream: string): string => join(folder, `${stream}.tar.s2`);
export const tableFile = (folder: string, table: string): string => join(folder, `${table}.jsonl.gz`);
export const manifestFile = (folder: string): string => join(folder, 'backup.json');

/** `flex backup <folder>`: log, archive and catalogue as of one moment, while everything runs. */
export const main = (argv: string[], env: NodeJS.ProcessEnv): Promise<number> =>
  told(async () => {
    const [folder] = argv;
    if (!folder) throw new WrongUsage('usage: flex backup <folder>');
    const { nc, db } = await servers(env, 'backup');
    try {
      mkdirSync(folder, { recursive: true, mode: 0o700 });
      if (readdirSync(folder).length > 0) throw new OperatorFault(`${folder} is not empty`);
      const takenAt = new Date().toISOString();
      const streams: StreamCopy[] = [];
      for (const stream of STREAMS) {
        const file = createWriteStream(streamFile(folder, stream), { mode: 0o600 });
        const copy = await saveStream(
          nc,
          stream,
          (chunk) =>
            new Promise((resolve, reject) => file.write(chunk, (error) => (error ? reject(error) : resolve()))),
        );
        await new Promise<void>((resolve) => file.end(resolve));
        streams.push(copy);
      }
      const tables = await saveTables(db, (table) => tableFile(folder, table));
      const lastSeq = streams[0]!.state.last_seq;
      const manifest: BackupManifest = {
        format: 1,
        takenAt,
        lastSeq,
        streams,
        tables,
        migrations: await migrationsOf(db),
      };
      // Last: a folder without it is no backup.
      writeFileSync(manifestFile(folder), JSON.stringify(manifest, null, 2), { mode: 0o600 });
      const { messages } = streams[0]!.state;
      process.stdout.write(
        `${folder} holds everything up to event ${lastSeq}: ${messages} events of the log, ${tables['gateway.archive']} archived runs\n`,
      );
      return 0;
    } finally {
      await db.destroy();
      await nc.close();
    }
  });

/** The two servers of a stack, for commands that copy or fill both. */
export async function servers(env: NodeJS.ProcessEnv, name: string) {
  const { NATS_URL: natsUrl, DATABASE_URL: databaseUrl } = env;
  if (!natsUrl || !databaseUrl)
    throw new OperatorFault('NATS_URL and DATABASE_URL are needed, or a running embedded stack');
  const nc = await connectNats({
    url: natsUrl,
    name: `flex-${name}`,
    user: env['NATS_USER'],
    pass: env['NATS_PASSWORD'],
  });
  return { nc, db: connectPostgres<never>(databaseUrl, { name: `flex-${name}`, max: 1 }) };
}

export const isBackup = (folder: string): boolean => existsSync(manifestFile(folder));
