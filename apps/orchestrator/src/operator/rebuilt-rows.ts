import { isDeepStrictEqual } from 'node:util';
import { sql, type Kysely } from 'kysely';
import { thawed } from '../postgres-snapshots.js';

const PAGE = 200;

/**
 * Puts every row of the read models and snapshots aside, for this session. Read models are compared by the text of the
 * whole row. Of a snapshot the state is; `due` and `settled` are the scheduler's notes (when to look again), which depend
 * on when it looked last.
 */
export async function keepForComparison(db: Kysely<never>): Promise<void> {
  await sql`create temp table kept_runs as select run_id, last_seq as seq, md5(r::text) as print from gateway.runs r`.execute(
    db,
  );
  await sql`create temp table kept_tasks as select task_id, run_id, md5(t::text) as print from gateway.tasks t`.execute(
    db,
  );
  await sql`create temp table kept_states as select run_id, seq, state from orchestrator.runs`.execute(db);
}

/** Compares with what is there now. Runs that went on meanwhile have later rows, which are not comparable. */
export async function compareRebuilt(db: Kysely<never>): Promise<{ compared: number; differing: string[] }> {
  const runs = await sql<{ run_id: string; what: string | null }>`
    select k.run_id, case when r.run_id is null then 'is missing' when md5(r::text) <> k.print then 'differs' end as what
    from kept_runs k left join gateway.runs r using (run_id) where r.run_id is null or r.last_seq = k.seq`.execute(db);
  const tasks = await sql<{ task_id: string; what: string | null }>`
    select k.task_id, case when t.task_id is null then 'is missing' when md5(t::text) <> k.print then 'differs' end as what
    from kept_tasks k join kept_runs kr using (run_id) join gateway.runs r on r.run_id = k.run_id and r.last_seq = kr.seq
    left join gateway.tasks t using (task_id)`.execute(db);
  const differing = [
    ...runs.rows.flatMap(({ run_id, what }) => (what ? [`gateway.runs ${run_id} ${what}`] : [])),
    ...tasks.rows.flatMap(({ task_id, what }) => (what ? [`gateway.tasks ${task_id} ${what}`] : [])),
  ];
  const states = await compareStates(db, differing);
  return { compared: runs.rows.length + tasks.rows.length + states, differing };
}

async function compareStates(db: Kysely<never>, differing: string[]): Promise<number> {
  let compared = 0;
  for (let last = ''; ;) {
    const { rows } = await sql<{ run_id: string; before: Buffer; after: Buffer | null }>`
      select k.run_id, k.state as before, s.state as after
      from kept_states k left join orchestrator.runs s using (run_id)
      where k.run_id > ${last} and (s.seq = k.seq or (s.run_id is null and exists
        (select 1 from gateway.runs r where r.run_id = k.run_id and r.ended_at is null and r.last_seq <= k.seq)))
      order by k.run_id limit ${PAGE}`.execute(db);
    if (rows.length === 0) return compared;
    for (const { run_id, before, after } of rows) {
      if (!after) differing.push(`orchestrator.runs ${run_id} is missing`);
      // The members of an object may have come in another order.
      else if (!before.equals(after) && !isDeepStrictEqual(thawed(before), thawed(after)))
        differing.push(`orchestrator.runs ${run_id} differs`);
    }
    compared += rows.length;
    last = rows.at(-1)!.run_id;
  }
}
