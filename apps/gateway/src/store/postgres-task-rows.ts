import { sql, type Kysely } from 'kysely';
import type { TaskChange } from '../core/run-row.js';
import { clean } from './postgres-run-rows.js';
import type { GatewayDatabase } from './gateway-schema.js';

/** Brings the tasks of a run to what the event says; repeated it changes nothing. */
export async function applyTaskChange(db: Kysely<GatewayDatabase>, runId: string, change: TaskChange): Promise<void> {
  switch (change.kind) {
    case 'opened': {
      const { task } = change;
      const row = {
        task_id: task.taskId,
        run_id: runId,
        tenant: task.tenant,
        kind: task.kind,
        status: 'open' as const,
        assignee: optional(task.assignment?.assignee),
        role: optional(task.assignment?.role),
        requested_at: task.requestedAt,
        due_at: dueAt(task.dueAt),
        task: clean(JSON.stringify(task)),
      };
      await db
        .insertInto('gateway.tasks')
        .values(row)
        .onConflict((conflict) => conflict.column('task_id').doUpdateSet(row))
        .execute();
      return;
    }
    case 'answered': {
      const patch = { status: 'answered', resolution: change.resolution, resolvedBy: change.by };
      await update(db, 'answered', patch).where('task_id', '=', change.taskId).where('status', '=', 'open').execute();
      return;
    }
    case 'reopened': {
      await db
        .updateTable('gateway.tasks')
        .set({ status: 'open', task: sql<string>`(task - 'resolution' - 'resolvedBy') || '{"status":"open"}'::jsonb` })
        .where('task_id', '=', change.taskId)
        .where('status', '=', 'answered')
        .execute();
      return;
    }
    case 'closed': {
      const patch = {
        status: 'closed',
        outcome: change.outcome,
        resolution: change.resolution,
        resolvedBy: change.by,
        closedAt: change.time,
      };
      await update(db, 'closed', patch).where('task_id', '=', change.taskId).execute();
      return;
    }
    case 'withdrawn': {
      const patch = { status: 'closed', outcome: 'withdrawn', closedAt: change.time };
      await update(db, 'closed', patch).where('run_id', '=', runId).where('status', '!=', 'closed').execute();
      return;
    }
  }
}

/** A moment that the column cannot hold is as good as never. */
const dueAt = (time: number | undefined): number | null => {
  const rounded = Math.round(time ?? Number.NaN);
  return Number.isSafeInteger(rounded) ? rounded : null;
};

const optional = (text: string | undefined): string | null => (text === undefined ? null : clean(text));
const update = (db: Kysely<GatewayDatabase>, status: 'answered' | 'closed', patch: object) =>
  db.updateTable('gateway.tasks').set({ status, task: sql<string>`task || ${clean(JSON.stringify(patch))}::jsonb` });
