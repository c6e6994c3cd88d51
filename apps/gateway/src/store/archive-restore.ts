import { sql, type Kysely } from 'kysely';
import type { StoredEvent } from '@flex/contracts';
import type { Logger } from '@flex/events/service';
import { foldRow, newRow, rowEvents, type RowEventType, type RunRow, type TaskChange } from '../core/run-row.js';
import { unpackHistory } from './archive-format.js';
import type { GatewayDatabase } from './gateway-schema.js';
import { saveListing } from './save-listing.js';

const PAGE = 100;
const relevant: ReadonlySet<string> = new Set(rowEvents);

/** Fills empty read models from the archive: runs that have left the log are in no other place. */
export async function restoreFromArchive(
  db: Kysely<GatewayDatabase>,
  logger: Logger,
  signal: AbortSignal,
): Promise<void> {
  for (let last = ''; !signal.aborted;) {
    const rows = await db
      .selectFrom('gateway.archive')
      .select(['run_id', 'history'])
      .where('run_id', '>', last)
      .where(sql<boolean>`not exists (select 1 from gateway.runs r where r.run_id = archive.run_id)`)
      .orderBy('run_id')
      .limit(PAGE)
      .execute();
    if (rows.length === 0) return;
    for (const { run_id: runId, history } of rows) {
      const { row, changes } = foldHistory(runId, await unpackHistory(history));
      for (const reason of await saveListing(db, row, changes))
        logger.error({ runId, reason }, 'something of an archived run cannot be listed');
    }
    last = rows.at(-1)!.run_id;
  }
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
