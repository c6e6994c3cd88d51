import type { Kysely } from 'kysely';
import { reasonOf } from '@flex/events';
import type { RunRow, TaskChange } from '../core/run-row.js';
import type { GatewayDatabase } from './gateway-schema.js';
import { saveRows } from './postgres-run-rows.js';
import { applyTaskChange } from './postgres-task-rows.js';

type Db = Kysely<GatewayDatabase>;

/** SQLSTATE classes 22 and 54: the data, not the database, is at fault; trying again cannot help. */
export const isDataFault = (error: unknown): boolean =>
  /^(22|54)/.test(String((error as { code?: unknown }).code ?? ''));

/**
 * Writes a run's row and what became of its tasks. What Postgres does not take is left out, alone: a run with a task that
 * cannot be listed is listed. Says why something was left out.
 */
export async function saveListing(db: Db, row: RunRow, changes: readonly TaskChange[]): Promise<string[]> {
  const whole = await attempt(db, async (trx) => {
    await saveRows(trx, [row]);
    for (const change of changes) await applyTaskChange(trx, row.runId, change);
  });
  if (whole === undefined) return [];
  const faults = [await attempt(db, (trx) => saveRows(trx, [row]))];
  for (const change of changes) faults.push(await attempt(db, (trx) => applyTaskChange(trx, row.runId, change)));
  return faults.filter((fault) => fault !== undefined);
}

/** All of it or nothing; the reason when the data was at fault. */
async function attempt(db: Db, write: (trx: Db) => Promise<void>): Promise<string | undefined> {
  try {
    await db.transaction().execute(write);
    return undefined;
  } catch (error) {
    if (isDataFault(error)) return reasonOf(error);
    throw error;
  }
}
