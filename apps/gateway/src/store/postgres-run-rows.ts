import { sql, type Kysely, type Selectable } from 'kysely';
import type { RowState, RunRow } from '../core/run-row.js';
import type { GatewayDatabase, RunsTable } from './gateway-schema.js';

type Db = Kysely<GatewayDatabase>;

export const toRow = (stored: Selectable<RunsTable>): RunRow => ({
  runId: stored.run_id,
  tenant: stored.tenant,
  status: stored.status,
  objective: stored.objective,
  correlationId: stored.correlation_id,
  threadId: stored.thread_id ?? undefined,
  labels: stored.labels,
  planVersion: stored.plan_version ?? undefined,
  submittedAt: Number(stored.submitted_at),
  endedAt: stored.ended_at === null ? undefined : Number(stored.ended_at),
  firstSeq: Number(stored.first_seq),
  lastSeq: Number(stored.last_seq),
  state: stored.state as RowState,
});

export async function loadRows(db: Db, runIds: string[]): Promise<RunRow[]> {
  if (runIds.length === 0) return [];
  const rows = await db.selectFrom('gateway.runs').selectAll().where('run_id', 'in', runIds).execute();
  return rows.map(toRow);
}

const CHUNK = 500;

/** Writes rows as they are now; repeated writing is harmless. */
export async function saveRows(db: Db, rows: readonly RunRow[]): Promise<void> {
  for (let from = 0; from < rows.length; from += CHUNK) {
    const values = rows.slice(from, from + CHUNK).map((row) => ({
      run_id: row.runId,
      tenant: row.tenant,
      status: row.status,
      objective: clean(row.objective),
      correlation_id: clean(row.correlationId),
      thread_id: row.threadId === undefined ? null : clean(row.threadId),
      labels: clean(JSON.stringify(row.labels)),
      plan_version: row.planVersion ?? null,
      open_tasks: Object.keys(row.state.tasks).length,
      submitted_at: row.submittedAt,
      ended_at: row.endedAt ?? null,
      first_seq: row.firstSeq,
      last_seq: row.lastSeq,
      state: clean(JSON.stringify(row.state)),
    }));
    await db
      .insertInto('gateway.runs')
      .values(values)
      .onConflict((conflict) =>
        conflict.column('run_id').doUpdateSet({
          status: sql`excluded.status`,
          plan_version: sql`excluded.plan_version`,
          open_tasks: sql`excluded.open_tasks`,
          ended_at: sql`excluded.ended_at`,
          last_seq: sql`excluded.last_seq`,
          state: sql`excluded.state`,
        }),
      )
      .execute();
  }
}

const ESCAPED_NUL = /(?<!\\)((?:\\\\)*)\\u0000/g;
const ESCAPED_SURROGATE = /(?<!\\)((?:\\\\)*)\\ud[89a-f][0-9a-f]{2}/g;

/** Text, or JSON as text, that Postgres takes: it has neither NUL nor halves of characters, JSON may have both. */
export const clean = (text: string): string =>
  text.replaceAll('\u0000', '').replaceAll(ESCAPED_NUL, '$1').replaceAll(ESCAPED_SURROGATE, '$1\ufffd');
