import { createReadStream, createWriteStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip, createGzip } from 'node:zlib';
import { sql, type Kysely } from 'kysely';

/** What is in no other place. Read models and snapshots are not here: they are made again from log and archive. */
export const KEPT_TABLES = [
  'gateway.archive',
  'gateway.idempotency',
  'gateway.secrets',
  'registry.facets',
  'registry.capabilities',
] as const;

/** What restoring has to find empty, because it is made again. */
export const DERIVED_TABLES = [
  'gateway.runs',
  'gateway.tasks',
  'gateway.checkpoints',
  'orchestrator.runs',
  'orchestrator.checkpoints',
] as const;

const SCHEMAS = ['gateway', 'orchestrator', 'registry'];
const PORTION = 200;

/** Names of the migrations that each schema has had; a schema that is missing has had none. */
export async function migrationsOf(db: Kysely<never>): Promise<Record<string, string[]>> {
  const found: Record<string, string[]> = {};
  for (const schema of SCHEMAS) {
    const { rows } = await sql<{ name: string }>`select name from ${sql.id(schema, 'migrations')} order by name`
      .execute(db)
      .catch(() => ({ rows: [] }));
    found[schema] = rows.map(({ name }) => name);
  }
  return found;
}

export async function isEmpty(db: Kysely<never>): Promise<boolean> {
  for (const table of [...KEPT_TABLES, ...DERIVED_TABLES]) {
    // Made by a gateway at its start, and replaced by the copy.
    if (table === 'gateway.secrets') continue;
    const { rows } = await sql`select 1 from ${sql.table(table)} limit 1`.execute(db);
    if (rows.length > 0) return false;
  }
  return true;
}

/** Writes every row of some tables, as of one moment, a file each with a JSON object per line. Says how many rows. */
export async function saveTables(
  db: Kysely<never>,
  fileOf: (table: string) => string,
): Promise<Record<string, number>> {
  return db
    .transaction()
    .setIsolationLevel('repeatable read')
    .execute(async (trx) => {
      const counts: Record<string, number> = {};
      for (const table of KEPT_TABLES) {
        counts[table] = 0;
        await sql`declare copied no scroll cursor for select row_to_json(t)::text as line from ${sql.table(table)} t`.execute(
          trx,
        );
        const lines = async function* () {
          for (;;) {
            const { rows } = await sql<{ line: string }>`fetch ${sql.lit(PORTION)} from copied`.execute(trx);
            if (rows.length === 0) return;
            counts[table]! += rows.length;
            yield rows.map(({ line }) => `${line}\n`).join('');
          }
        };
        await pipeline(Readable.from(lines()), createGzip(), createWriteStream(fileOf(table)));
        await sql`close copied`.execute(trx);
      }
      return counts;
    });
}

/** Fills the tables again, all or none of them, and then does what else belongs to it. */
export async function restoreTables(
  db: Kysely<never>,
  fileOf: (table: string) => string,
  afterwards: (db: Kysely<never>) => Promise<void>,
): Promise<void> {
  await db.transaction().execute(async (trx) => {
    for (const table of KEPT_TABLES) {
      await sql`truncate ${sql.table(table)}`.execute(trx);
      let portion: string[] = [];
      const insert = async (): Promise<void> => {
        if (portion.length === 0) return;
        const rows = `[${portion.join()}]`;
        portion = [];
        await sql`insert into ${sql.table(table)} select * from json_populate_recordset(null::${sql.table(table)}, ${rows}::json)`.execute(
          trx,
        );
      };
      for await (const line of createInterface({ input: createReadStream(fileOf(table)).pipe(createGunzip()) })) {
        if (portion.push(line) >= PORTION) await insert();
      }
      await insert();
    }
    await afterwards(trx as Kysely<never>);
  });
}
