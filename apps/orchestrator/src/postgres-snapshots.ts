import { sql, type Kysely } from 'kysely';
import type { Migrations } from '@flex/events/postgres';
import type { StoredEvent } from '@flex/contracts';
import { FenceLost, type PartitionClaim } from '@flex/events';
import { FOLD_VERSION, initial } from './core/evolve.js';
import { NEVER, type RunState } from './core/state.js';
import { stateFromText, stateToText } from './core/stored-state.js';

/**
 * Form of the stored state, made of the members that a state has: states of another form (an older or newer version of
 * the code) are not read, and the runs are folded from the log again.
 */
const FORM = formOf(initial({ data: { envelope: {} } } as StoredEvent<'run.submitted'>));

function formOf(state: RunState): number {
  let hash = 0;
  for (const char of `text,${FOLD_VERSION},${Object.keys(state).sort().join()}`)
    hash = (Math.imul(hash, 31) + char.charCodeAt(0)) | 0;
  return hash;
}

export interface SnapshotTables {
  /** `claim`: whose snapshots these are; a save under any other claim is refused. */
  'orchestrator.checkpoints': { partition: number; seq: string; form: number; claim: string };
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
  '0002-saved-under-a-claim': async (db) =>
    void (await sql`alter table orchestrator.checkpoints add column claim bigint not null default 0`.execute(db)),
};

/** One run as it is saved; `settled`: nothing was to be decided at that moment. */
export interface SavedRun {
  run_id: string;
  seq: string;
  due: string | null;
  settled: boolean;
  state: Buffer;
}

/** A run's state at this moment, however it goes on. What is serialised is the fold and nothing else. */
export const frozen = (state: RunState, settled: boolean): SavedRun => ({
  run_id: state.runId,
  seq: String(state.seq),
  due: state.due === NEVER ? null : String(state.due),
  settled,
  state: Buffer.from(stateToText({ ...state, due: NEVER })),
});

export const thawed = (state: Buffer): RunState => stateFromText(state.toString('utf8'));

/** A state that was loaded, and how large it lies in Postgres. */
export interface LoadedRun {
  state: RunState;
  bytes: number;
}

const loaded = (row: Pick<SavedRun, 'due' | 'state'>): LoadedRun => ({
  state: { ...thawed(row.state), due: row.due === null ? NEVER : Number(row.due) },
  bytes: row.state.length,
});

/**
 * Snapshots of open runs, so that recovery folds a tail instead of the log. Only ever an accelerator: whatever is
 * missing here is folded from the log. A partition's checkpoint and its runs change in one transaction.
 */
export class PostgresSnapshots {
  constructor(private readonly db: Kysely<SnapshotTables>) {}

  /**
   * Takes a partition's snapshots over: where its tail starts, and its runs that have to be looked at (undecided ones,
   * and due times). From then on an owner before cannot save any more, however late it wakes up. Throws FenceLost when
   * a later claim has them. `lastSeq`: the log's; snapshots of a log that was lost are dropped.
   */
  async recover(
    { partition, seq: claim }: PartitionClaim,
    lastSeq: number,
  ): Promise<{ seq: number; due: Map<string, number>; unsettled: LoadedRun[] }> {
    const checkpoint = await this.db.transaction().execute(async (trx) => {
      const { rows } = await sql<{ seq: string; form: number }>`
        insert into orchestrator.checkpoints as held (partition, seq, form, claim) values (${partition}, 0, ${FORM}, ${claim})
        on conflict (partition) do update set claim = excluded.claim
          where held.claim < excluded.claim or greatest(held.claim, held.seq) > ${lastSeq}
        returning seq, form`.execute(trx);
      const [held] = rows;
      if (!held) throw new FenceLost(partition, claim);
      if (held.form === FORM && Number(held.seq) <= lastSeq) return { seq: Number(held.seq) };
      await trx.deleteFrom('orchestrator.runs').where('partition', '=', partition).execute();
      await trx
        .updateTable('orchestrator.checkpoints')
        .set({ seq: '0', form: FORM })
        .where('partition', '=', partition)
        .execute();
      return { seq: 0 };
    });
    const due = await this.db
      .selectFrom('orchestrator.runs')
      .select(['run_id', 'due'])
      .where('partition', '=', partition)
      .where('due', 'is not', null)
      .execute();
    const open = await this.db
      .selectFrom('orchestrator.runs')
      .select(['due', 'state'])
      .where('partition', '=', partition)
      .where('settled', '=', false)
      .execute();
    return {
      seq: checkpoint.seq,
      due: new Map(due.map((row) => [row.run_id, Number(row.due)])),
      unsettled: open.map(loaded),
    };
  }

  async load(runIds: readonly string[]): Promise<Map<string, LoadedRun>> {
    const found = new Map<string, LoadedRun>();
    for (let i = 0; i < runIds.length; i += 1000) {
      const rows = await this.db
        .selectFrom('orchestrator.runs')
        .select(['run_id', 'due', 'state'])
        .where('run_id', 'in', runIds.slice(i, i + 1000))
        .execute();
      for (const row of rows) found.set(row.run_id, loaded(row));
    }
    return found;
  }

  /** Saves what changed and moves the checkpoint, all or nothing. Throws FenceLost when another owner took over. */
  async save(
    { partition, seq: claim }: PartitionClaim,
    seq: number,
    changed: readonly SavedRun[],
    ended: readonly string[],
  ): Promise<void> {
    await this.db.transaction().execute(async (trx) => {
      const { numUpdatedRows } = await trx
        .updateTable('orchestrator.checkpoints')
        .set({ seq: String(seq) })
        .where('partition', '=', partition)
        .where('claim', '=', String(claim))
        .executeTakeFirst();
      // Nobody's, too, once they were dropped to be made again.
      if (numUpdatedRows === 0n) throw new FenceLost(partition, claim);
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
    });
  }
}
