import { setTimeout as delay } from 'node:timers/promises';
import { sql, type Kysely } from 'kysely';

export interface Leadership {
  /** Aborted when the connection that holds the lock is gone. */
  lost: AbortSignal;
  release(): Promise<void>;
}

const ATTEMPT_MS = 1_000;
const CHECK_MS = 2_000;

/**
 * One leader among replicas by an advisory lock, which Postgres takes back when the connection ends. Waits until it is
 * free; undefined when the signal came first.
 */
export async function lockLeadership<DB>(
  db: Kysely<DB>,
  name: string,
  signal: AbortSignal,
): Promise<Leadership | undefined> {
  while (!signal.aborted) {
    const held = await tryLock(db, name);
    if (held) return held;
    await delay(ATTEMPT_MS, undefined, { signal }).catch(() => undefined);
  }
  return undefined;
}

async function tryLock<DB>(db: Kysely<DB>, name: string): Promise<Leadership | undefined> {
  let answer!: (held: boolean) => void;
  let fail!: (error: unknown) => void;
  const outcome = new Promise<boolean>((resolve, reject) => ([answer, fail] = [resolve, reject]));
  const end = new AbortController();
  const lost = new AbortController();
  // The lock lives as long as this connection is kept.
  const connection = db
    .connection()
    .execute(async (session) => {
      const { rows } = await sql<{ held: boolean }>`select pg_try_advisory_lock(hashtext(${name})) as held`.execute(
        session,
      );
      answer(rows[0]?.held === true);
      if (rows[0]?.held !== true) return;
      while (!end.signal.aborted) {
        await delay(CHECK_MS, undefined, { signal: end.signal }).catch(() => undefined);
        if (!end.signal.aborted) await sql`select 1`.execute(session);
      }
      await sql`select pg_advisory_unlock(hashtext(${name}))`.execute(session);
    })
    .catch((error: unknown) => {
      fail(error);
      lost.abort();
    });
  if (!(await outcome)) return undefined;
  return {
    lost: lost.signal,
    release: async () => {
      end.abort();
      await connection;
    },
  };
}
