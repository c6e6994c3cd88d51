import { setTimeout as delay } from 'node:timers/promises';
import { sql, type Kysely } from 'kysely';
import { runStatuses, type RunItem, type RunStatus, type TaskItem } from '@flex/contracts';
import { taskItem } from '../core/run-view.js';
import type { TaskView } from '../core/run-summary.js';
import { timestampOf } from '../timestamp.js';
import { decodeCursor, encodeCursor, limitOf } from '../http/pagination.js';
import { refuse } from '../http/problems.js';
import { namesOf } from '../http/query-names.js';
import type { Caller } from '../security/caller.js';
import type { GatewayDatabase } from './gateway-schema.js';
import { READ_MODELS, storedCheckpoint } from './postgres-checkpoints.js';
import { toRow } from './postgres-run-rows.js';

const CATCH_UP_MS = 3_000;
const CATCH_UP_STEP_MS = 50;
/** Runs that one stream over many takes up from before. */
const MOST_RUNS = 5_000;

export interface Page<T> {
  items: T[];
  next?: string;
}
type Query = Record<string, unknown>;
const text = (value: unknown): string | undefined => (typeof value === 'string' && value !== '' ? value : undefined);

/** Lists from the read models; a moment behind the log. Every query is bound to the caller's tenant. */
export class PostgresListings {
  constructor(private readonly db: Kysely<GatewayDatabase>) {}

  async runs(query: Query, caller: Caller): Promise<Page<RunItem>> {
    const limit = limitOf(text(query['limit']));
    const after = decodeCursor(text(query['cursor']), ['sequence']);
    let select = this.db.selectFrom('gateway.runs').selectAll().where('tenant', '=', caller.tenant);
    const statuses = statusesOf(text(query['status']));
    if (statuses) select = select.where('status', 'in', statuses);
    const threadId = text(query['threadId']);
    if (threadId !== undefined) select = select.where('thread_id', '=', threadId);
    const labels = labelsOf(query['label']);
    if (labels) select = select.where(sql<boolean>`labels @> ${JSON.stringify(labels)}::jsonb`);
    if (after) select = select.where('first_seq', '<', sql<string>`${after[0]}`);
    const rows = await select
      .orderBy('first_seq', 'desc')
      .limit(limit + 1)
      .execute();
    const items = rows.slice(0, limit).map((stored): RunItem => {
      const row = toRow(stored);
      return {
        runId: row.runId,
        tenant: row.tenant,
        status: row.status,
        objective: row.objective,
        correlationId: row.correlationId,
        ...(row.threadId === undefined ? {} : { threadId: row.threadId }),
        labels: row.labels,
        ...(row.planVersion === undefined ? {} : { planVersion: row.planVersion }),
        submittedAt: timestampOf(row.submittedAt),
        ...(row.endedAt === undefined ? {} : { endedAt: timestampOf(row.endedAt) }),
        openTasks: stored.open_tasks,
      };
    });
    const last = rows[limit - 1];
    return rows.length > limit && last ? { items, next: encodeCursor([Number(last.first_seq)]) } : { items };
  }

  async tasks(query: Query, caller: Caller): Promise<Page<TaskItem>> {
    const limit = limitOf(text(query['limit']));
    const after = decodeCursor(text(query['cursor']), ['sequence', 'text']);
    const status = text(query['status']) ?? 'open';
    let select = this.db.selectFrom('gateway.tasks').selectAll().where('tenant', '=', caller.tenant);
    if (status !== 'all') select = select.where('status', '=', status as 'open');
    for (const [name, column] of [
      ['kind', 'kind'],
      ['runId', 'run_id'],
      ['assignee', 'assignee'],
      ['role', 'role'],
    ] as const) {
      const value = text(query[name]);
      if (value !== undefined) select = select.where(column, '=', value);
    }
    if (after) select = select.where(sql<boolean>`(requested_at, task_id) < (${after[0]}::bigint, ${after[1]}::text)`);
    const rows = await select
      .orderBy('requested_at', 'desc')
      .orderBy('task_id', 'desc')
      .limit(limit + 1)
      .execute();
    const items = rows.slice(0, limit).map((row) => taskItem(row.task as TaskView));
    const last = rows[limit - 1];
    return rows.length > limit && last
      ? { items, next: encodeCursor([Number(last.requested_at), last.task_id]) }
      : { items };
  }

  /** Resolves when the read models hold all events up to a sequence, or after a few seconds without. */
  async caughtUpTo(seq: number): Promise<void> {
    for (let waited = 0; waited < CATCH_UP_MS; waited += CATCH_UP_STEP_MS) {
      if ((await storedCheckpoint(this.db, READ_MODELS)) >= seq) return;
      await delay(CATCH_UP_STEP_MS);
    }
  }

  async openRunsOf(tenant: string): Promise<number> {
    const { open } = await this.db
      .selectFrom('gateway.runs')
      .select((count) => count.fn.countAll<string>().as('open'))
      .where('tenant', '=', tenant)
      .where('ended_at', 'is', null)
      .executeTakeFirstOrThrow();
    return Number(open);
  }

  /** Runs with labels that are open, or had events after a sequence. */
  async runsSince(tenant: string, labels: Record<string, string>, seq: number): Promise<string[]> {
    const rows = await this.db
      .selectFrom('gateway.runs')
      .select('run_id')
      .where('tenant', '=', tenant)
      .where(sql<boolean>`labels @> ${JSON.stringify(labels)}::jsonb`)
      .where((where) => where.or([where('ended_at', 'is', null), where('last_seq', '>=', sql<string>`${seq}`)]))
      .orderBy('first_seq')
      .limit(MOST_RUNS)
      .execute();
    return rows.map((row) => row.run_id);
  }

  /** The run that a task belongs to, as far as the read model knows. */
  async runOfTask(taskId: string, caller: Caller): Promise<string | undefined> {
    const row = await this.db
      .selectFrom('gateway.tasks')
      .select('run_id')
      .where('task_id', '=', taskId)
      .where('tenant', '=', caller.tenant)
      .executeTakeFirst();
    return row?.run_id;
  }
}

function statusesOf(given: string | undefined): RunStatus[] | undefined {
  const names = namesOf('status', given, ['open', 'ended', ...runStatuses]);
  const ended: RunStatus[] = ['completed', 'failed', 'cancelled'];
  return (
    names &&
    [...names].flatMap((status): RunStatus[] => {
      if (status === 'ended') return ended;
      if (status === 'open') return runStatuses.filter((known) => !ended.includes(known));
      return [status as RunStatus];
    })
  );
}

/** `name:value`, once or several times. */
export function labelsOf(given: unknown): Record<string, string> | undefined {
  if (given === undefined) return undefined;
  const labels: Record<string, string> = {};
  for (const label of Array.isArray(given) ? given : [given]) {
    const at = String(label).indexOf(':');
    if (at < 1) throw refuse.invalidQuery([{ pointer: '/label', message: 'must be name:value' }]);
    labels[String(label).slice(0, at)] = String(label).slice(at + 1);
  }
  return labels;
}
