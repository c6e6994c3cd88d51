import { sql, type Kysely, type Transaction } from 'kysely';

export type Migration = (db: Transaction<unknown>) => Promise<void>;
/** By name; applied in the order of the names (`0001-…`). A migration that was released is never changed. */
export type Migrations = Record<string, Migration>;

/**
 * Brings a schema to its newest form: creates it when missing and applies, in one transaction, whatever was not applied
 * yet. An advisory lock makes replicas that start together wait for each other. Returns the names just applied.
 */
export async function migrate<DB>(db: Kysely<DB>, schema: string, migrations: Migrations): Promise<string[]> {
  if (!/^[a-z][a-z0-9_]*$/.test(schema)) throw new Error(`not a schema name: ${schema}`);
  return (db as unknown as Kysely<unknown>).transaction().execute(async (trx) => {
    await sql`select pg_advisory_xact_lock(hashtext(${`flex-migrate-${schema}`}))`.execute(trx);
    await sql`create schema if not exists ${sql.id(schema)}`.execute(trx);
    const table = sql.id(schema, 'migrations');
    await sql`create table if not exists ${table} (name text primary key, applied_at timestamptz not null default now())`.execute(
      trx,
    );
    const { rows } = await sql<{ name: string }>`select name from ${table}`.execute(trx);
    const applied = new Set(rows.map((row) => row.name));
    const missing = Object.keys(migrations)
      .sort()
      .filter((name) => !applied.has(name));
    for (const name of missing) {
      await migrations[name]?.(trx);
      await sql`insert into ${table} (name) values (${name})`.execute(trx);
    }
    return missing;
  });
}
