import { deserialize, serialize } from 'node:v8';
import { sql, type Kysely } from 'kysely';
import type { Migrations } from '@flex/events/postgres';
import type { StoredEvent } from '@flex/contracts';
import { FOLD_VERSION, initial } from './core/evolve.js';
import type { RunState } from './core/state.js';

/**
 * Form of the stored state, made of the members that a state has: states of another form (an older or newer version of
 * the code) are not read, and the runs are folded from the log again.
 */
const FORM = formOf(initial({ data: { envelope: {} } } as StoredEvent<'run.submitted'>));

function formOf(state: RunState): number {
  let hash = 0;
  for (const char of `${FOLD_VERSION},${Object.keys(state).sort().join()}`)
    hash = (Math.imul(hash, 31) + char.charCodeAt(0)) | 0;
  return hash;
}

export interface SnapshotTables {
  'orchestrator.checkpoints': { partition: number; seq: string; form: number };
  'orchestrator.runs': {
    run_id: string;
    partition: number;
    seq: string;
    due: string | null;
    settled: boolean;
    state: Buffer;
  };
}

export const migrations: Migrations = {
  '0001-snapshots': async (db) => {
    await sql`create table orchestrator.checkpoints (partition int primary key, seq bigint not null, form int not null)`.execute(
      db,
    );
    await sql`create table orchestrator.runs (
      run_id text primary key, partition int not null, seq bigint not null, due bigint, settled boolean not null, state bytea not null
    )`.execute(db);
    await sql`create index runs_partition on orchestrator.runs (partition)`.execute(db);
  },
};

/** One run as it is saved; `settled`: nothing was to be decided at that moment. */
export interface SavedRun {
  run_id: string;
  seq: string;
  due: string | null;
  settled: boolean;
  state: Buffer;
}

/** A run's state at this moment, however it goes on. */
export const frozen = (state: RunState, settled: boolean): SavedRun => ({
  run_id: state.runId,
  seq: String(state.seq),
  due: state.due === Number.MAX_SAFE_INTEGER ? null : String(state.due),
  settled,
  state: serialize(state),
});

/**
 * Snapshots of open runs, so that recovery folds a tail instead of the log. Only ever an accelerator: whatever is
 * missing here is folded from the log. A partition's checkpoint and its runs change in one transaction.
 */
export class PostgresSnapshots {
  constructor(private readonly db: Kysely<SnapshotTables>) {}

  /** Where the tail of a partition starts, and its runs that have to be looked at: undecided ones, and due times. */
  async recover(partition: number): Promise<{ seq: number; due: Map<string, number>; unsettled: RunState[] }> {
    const checkpoint = await this.db
      .selectFrom('orchestrator.checkpoints')
      .selectAll()
      .where('partition', '=', partition)
      .executeTakeFirst();
    if (!checkpoint || checkpoint.form !== FORM) {
      await this.forget(partition);
      return { seq: 0, due: new Map(), unsettled: [] };
    }
    const due = await this.db
      .selectFrom('orchestrator.runs')
      .select(['run_id', 'due'])
      .where('partition', '=', partition)
      .where('due', 'is not', null)
      .execute();
    const open = await this.db
      .selectFrom('orchestrator.runs')
      .select('state')
      .where('partition', '=', partition)
      .where('settled', '=', false)
      .execute();
    return {
      seq: Number(checkpoint.seq),
      due: new Map(due.map((row) => [row.run_id, Number(row.due)])),
      unsettled: open.map((row) => deserialize(row.state) as RunState),
    };
  }

  async load(runIds: readonly string[]): Promise<Map<string, RunState>> {
    if (runIds.length === 0) return new Map();
    const rows = await this.db
      .selectFrom('orchestrator.runs')
      .select(['run_id', 'state'])
      .where('run_id', 'in', [...runIds])
      .execute();
    return new Map(rows.map((row) => [row.run_id, deserialize(row.state) as RunState]));
  }

  /** Saves what changed and moves the checkpoint, all or nothing. */
  async save(partition: number, seq: number, changed: readonly SavedRun[], ended: readonly string[]): Promise<void> {
    await this.db.transaction().execute(async (trx) => {
      for (let i = 0; i < changed.length; i += 200) {
        const rows = changed.slice(i, i + 200).map((row) => ({ ...row, partition }));
        await trx
          .insertInto('orchestrator.runs')
          .values(rows)
          .onConflict((conflict) =>
            conflict.column('run_id').doUpdateSet((row) => ({
              seq: row.ref('excluded.seq'),
              due: row.ref('excluded.due'),
              settled: row.ref('excluded.settled'),
              state: row.ref('excluded.state'),
            })),
          )
          .execute();
      }
      for (let i = 0; i < ended.length; i += 1000)
        await trx
          .deleteFrom('orchestrator.runs')
          .where('run_id', 'in', ended.slice(i, i + 1000))
          .execute();
      await trx
        .insertInto('orchestrator.checkpoints')
        .values({ partition, seq: String(seq), form: FORM })
        .onConflict((conflict) => conflict.column('partition').doUpdateSet({ seq: String(seq), form: FORM }))
        .execute();
    });
  }

  private async forget(partition: number): Promise<void> {
    await this.db.deleteFrom('orchestrator.runs').where('partition', '=', partition).execute();
  }
}
