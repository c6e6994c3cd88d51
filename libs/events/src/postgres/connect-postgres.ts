import { Kysely, PostgresDialect, sql } from 'kysely';
import pg from 'pg';

export interface PostgresOptions {
  /** Connections at most; default 10. */
  max?: number;
  /** Shown in pg_stat_activity. */
  name?: string;
  /** A lost connection of an idle client; the pool replaces it by itself. */
  onError?: (error: Error) => void;
}

/** A pool with typed queries. Connects when first used; nothing is tried before. */
export function connectPostgres<DB>(url: string, options: PostgresOptions = {}): Kysely<DB> {
  const pool = new pg.Pool({
    connectionString: url,
    max: options.max ?? 10,
    application_name: options.name ?? 'flex',
    // As long as a client's request waits for the log: a machine that is short of breath is not a database that is away.
    connectionTimeoutMillis: 10_000,
    idleTimeoutMillis: 30_000,
    // Making a connection takes longest just when the machine is busy.
    min: 2,
    keepAlive: true,
  });
  // Without a listener a restart of Postgres would end the process.
  pool.on('error', (error) => options.onError?.(error));
  // The pool listens on idle connections only; one that is lost between two queries of a session must not end us either.
  pool.on('connect', (client) => client.on('error', () => undefined));
  return new Kysely<DB>({ dialect: new PostgresDialect({ pool }) });
}

/** One round trip; rejects when Postgres cannot be used. */
export async function waitForPostgres<DB>(db: Kysely<DB>): Promise<void> {
  await sql`select 1`.execute(db);
}
