import { sql, type ColumnType, type Generated } from 'kysely';
import type { Migrations } from '@flex/events/postgres';
import type { RunStatus } from '@flex/contracts';

/** Numbers that Postgres hands out as text (bigint). */
type Big = ColumnType<string, number, number>;

export interface RunsTable {
  run_id: string;
  tenant: string;
  status: RunStatus;
  objective: string;
  correlation_id: string;
  thread_id: string | null;
  labels: ColumnType<Record<string, string>, string, string>;
  plan_version: number | null;
  open_tasks: number;
  submitted_at: Big;
  ended_at: ColumnType<string | null, number | null, number | null>;
  first_seq: Big;
  last_seq: Big;
  /** What the next event folds into (core/run-row.ts). */
  state: ColumnType<unknown, string, string>;
}

export interface TasksTable {
  task_id: string;
  run_id: string;
  tenant: string;
  kind: string;
  status: 'open' | 'answered' | 'closed';
  assignee: string | null;
  role: string | null;
  requested_at: Big;
  due_at: ColumnType<string | null, number | null, number | null>;
  task: ColumnType<unknown, string, string>;
}

/** One row per ended run: its whole history, compressed (store/archive-format.ts). No read model: rebuilding keeps it. */
export interface ArchiveTable {
  run_id: string;
  tenant: string;
  events: number;
  last_seq: Big;
  ended_at: Big;
  history: Buffer;
  archived_at: Generated<Date>;
  /** When it left the log. */
  purged_at: ColumnType<Date | null, Date | null, Date | null>;
}

export interface CheckpointsTable {
  name: string;
  seq: Big;
}

export interface IdempotencyTable {
  tenant: string;
  key: string;
  fingerprint: string;
  run_id: string;
  status: number | null;
  answer: ColumnType<unknown, string | null, string | null>;
  created_at: Generated<Date>;
}

export interface SecretsTable {
  name: string;
  secret: Buffer;
}

export interface GatewayDatabase {
  'gateway.secrets': SecretsTable;
  'gateway.runs': RunsTable;
  'gateway.tasks': TasksTable;
  'gateway.archive': ArchiveTable;
  'gateway.checkpoints': CheckpointsTable;
  'gateway.idempotency': IdempotencyTable;
}

export const SCHEMA = 'gateway';

export const migrations: Migrations = {
  '0001-read-models': async (db) => {
    await sql`
      create table gateway.runs (
        run_id text primary key,
        tenant text not null,
        status text not null,
        objective text not null,
        correlation_id text not null,
        thread_id text,
        labels jsonb not null default '{}',
        plan_version integer,
        open_tasks integer not null default 0,
        submitted_at bigint not null,
        ended_at bigint,
        first_seq bigint not null,
        last_seq bigint not null,
        state jsonb not null,
        archived_at timestamptz,
        purged_at timestamptz
      )`.execute(db);
    await sql`create index runs_newest on gateway.runs (tenant, first_seq desc)`.execute(db);
    await sql`create index runs_thread on gateway.runs (tenant, thread_id) where thread_id is not null`.execute(db);
    await sql`create index runs_to_archive on gateway.runs (first_seq) where ended_at is not null and archived_at is null`.execute(
      db,
    );
    await sql`create index runs_to_purge on gateway.runs (ended_at) where archived_at is not null and purged_at is null`.execute(
      db,
    );
    await sql`create index runs_waiting on gateway.runs (run_id) where state ? 'after'`.execute(db);
    await sql`create index runs_labels on gateway.runs using gin (labels jsonb_path_ops)`.execute(db);
    await sql`
      create table gateway.tasks (
        task_id text primary key,
        run_id text not null,
        tenant text not null,
        kind text not null,
        status text not null,
        assignee text,
        role text,
        requested_at bigint not null,
        due_at bigint,
        task jsonb not null
      )`.execute(db);
    await sql`create index tasks_open on gateway.tasks (tenant, requested_at desc) where status = 'open'`.execute(db);
    await sql`create index tasks_run on gateway.tasks (run_id)`.execute(db);
    await sql`
      create table gateway.archive (
        run_id text primary key,
        tenant text not null,
        events integer not null,
        last_seq bigint not null,
        history bytea not null,
        archived_at timestamptz not null default now()
      )`.execute(db);
    // The history is compressed already.
    await sql`alter table gateway.archive alter column history set storage external`.execute(db);
    await sql`create table gateway.checkpoints (name text primary key, seq bigint not null)`.execute(db);
    await sql`
      create table gateway.idempotency (
        tenant text not null,
        key text not null,
        fingerprint text not null,
        run_id text not null,
        status integer,
        answer jsonb,
        created_at timestamptz not null default now(),
        primary key (tenant, key)
      )`.execute(db);
    await sql`create index idempotency_age on gateway.idempotency (created_at)`.execute(db);
  },
  /** What happened to a run's history is no fact of the log: it moves to the archive, and `runs` is a fold and no more. */
  '0002-runs-are-a-fold': async (db) => {
    await sql`alter table gateway.archive add column ended_at bigint, add column purged_at timestamptz`.execute(db);
    await sql`update gateway.archive a set ended_at = r.ended_at, purged_at = r.purged_at
      from gateway.runs r where r.run_id = a.run_id`.execute(db);
    await sql`update gateway.archive set ended_at = 0 where ended_at is null`.execute(db);
    await sql`alter table gateway.archive alter column ended_at set not null`.execute(db);
    await sql`alter table gateway.runs drop column archived_at, drop column purged_at`.execute(db);
    await sql`create index runs_ended on gateway.runs (last_seq) where ended_at is not null`.execute(db);
    await sql`create index archive_to_purge on gateway.archive (ended_at) where purged_at is null`.execute(db);
  },
  '0003-secrets': async (db) => {
    await sql`create table gateway.secrets (name text primary key, secret bytea not null)`.execute(db);
  },
  '0004-open-runs': async (db) => {
    await sql`create index runs_open on gateway.runs (tenant) where ended_at is null`.execute(db);
  },
  /** As it was given: `jsonb` has no NUL and no halves of characters, and an answer may quote what somebody sent. */
  '0005-answers-verbatim': async (db) => {
    await sql`alter table gateway.idempotency alter column answer type json using answer::text::json`.execute(db);
  },
};
