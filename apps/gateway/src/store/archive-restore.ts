import { sql, type Kysely } from 'kysely';
import type { StoredEvent } from '@flex/contracts';
import { foldRow, newRow, rowEvents, type RowEventType, type RunRow, type TaskChange } from '../core/run-row.js';
import { unpackHistory } from './archive-format.js';
import type { GatewayDatabase } from './gateway-schema.js';
import { saveRows } from './postgres-run-rows.js';
import { applyTaskChange } from './postgres-task-rows.js';

const PAGE = 100;
const relevant: ReadonlySet<string> = new Set(rowEvents);

/** Fills empty read models from the archive: runs that have left the log are in no other place. Says how many. */
export async function restoreFromArchive(db: Kysely<GatewayDatabase>, signal: AbortSignal): Promise<number> {
  let restored = 0;
  for (let last = ''; !signal.aborted;) {
    const rows = await db
      .selectFrom('gateway.archive')
      .select(['run_id', 'history', 'archived_at'])
      .where('run_id', '>', last)
      .where(sql<boolean>`not exists (select 1 from gateway.runs r where r.run_id = archive.run_id)`)
      .orderBy('run_id')
      .limit(PAGE)
      .execute();
    if (rows.length === 0) return restored;
    for (const { run_id: runId, history, archived_at: archivedAt } of rows) {
      const { row, changes } = foldHistory(runId, await unpackHistory(history));
      await db.transaction().execute(async (trx) => {
        await saveRows(trx, [row]);
        for (const change of changes) await applyTaskChange(trx, runId, change);
        // Whether it is still in the log is not known: leaving it again costs nothing.
        await trx.updateTable('gateway.runs').set({ archived_at: archivedAt }).where('run_id', '=', runId).execute();
      });
      restored += 1;
    }
    last = rows.at(-1)!.run_id;
  }
  return restored;
}

function foldHistory(runId: string, events: readonly StoredEvent[]): { row: RunRow; changes: TaskChange[] } {
  const row = newRow(runId);
  const changes: TaskChange[] = [];
  for (const event of events) {
    if (!relevant.has(event.type)) continue;
    const change = foldRow(row, { type: event.type as RowEventType, runId, seq: event.seq, time: event.time, event });
    if (change) changes.push(change);
  }
  return { row, changes };
}
