import { setTimeout as delay } from 'node:timers/promises';
import { sql, type Kysely, type Transaction } from 'kysely';
import { LOG_STREAM, OrderedReader, parseSubject, reasonOf, type Delivered, type EventLog } from '@flex/events';
import type { Logger } from '@flex/events/service';
import {
  foldRow,
  newRow,
  parsedRowEvents,
  rowEvents,
  type RowEventType,
  type RunRow,
  type TaskChange,
} from '../core/run-row.js';
import { restoreFromArchive } from './archive-restore.js';
import type { GatewayDatabase } from './gateway-schema.js';
import type { PostgresArchivist } from './postgres-archivist.js';
import { READ_MODELS, storedCheckpoint } from './postgres-checkpoints.js';
import { lockLeadership, type Leadership } from './postgres-leadership.js';
import { loadRows, saveRows } from './postgres-run-rows.js';
import { applyTaskChange } from './postgres-task-rows.js';
import { isDataFault, saveListing } from './save-listing.js';
import { soundEvent } from './sound-event.js';

/** Whatever comes within this time is one batch, of which only the latest state of each run is written. */
const FLUSH_MS = 250;
const MAX_BATCH = 5_000;
const CACHED_ROWS = 20_000;
const RETRY_MS = 1_000;
const DELETED = 'run.deleted';

type Db = Kysely<GatewayDatabase>;
interface Change {
  row: RunRow;
  change: TaskChange;
}

/**
 * Keeps the read models in Postgres current: one replica at a time, in order, from a checkpoint that is written in the
 * same transaction as what it stands for. Emptied tables are filled again from the log and the archive.
 */
export class PostgresProjector {
  readonly #rows = new Map<string, RunRow>();
  #checkpoint = 0;
  /** The checkpoint that lies in Postgres as far as this leader knows. */
  #stored = 0;
  #leading = false;

  constructor(
    private readonly log: EventLog,
    private readonly db: Db,
    private readonly archivist: PostgresArchivist,
    private readonly logger: Logger,
    private readonly signal: AbortSignal,
    /** Called after each commit with the rows that changed, and without when this replica begins to lead. */
    private readonly onCommitted: (rows?: RunRow[]) => void,
  ) {}

  get leading(): boolean {
    return this.#leading;
  }
  get checkpoint(): number {
    return this.#checkpoint;
  }

  /** Runs until the signal; waits while another replica leads. */
  async run(): Promise<void> {
    while (!this.signal.aborted) {
      let leadership: Leadership | undefined;
      try {
        leadership = await lockLeadership(this.db, 'flex-gateway-projector', this.signal);
        if (!leadership) return;
        this.#leading = true;
        await this.#lead(AbortSignal.any([this.signal, leadership.lost]));
      } catch (error) {
        if (!this.signal.aborted) this.logger.warn({ reason: reasonOf(error) }, 'the projection starts again');
      } finally {
        this.#leading = false;
        this.#rows.clear();
        await leadership?.release();
      }
      await delay(RETRY_MS, undefined, { signal: this.signal }).catch(() => undefined);
    }
  }

  async #lead(signal: AbortSignal): Promise<void> {
    this.#checkpoint = await this.#loadCheckpoint();
    if (this.#checkpoint === 0) await restoreFromArchive(this.db, this.logger, signal);
    // The leader before may have died between a commit and what follows from it.
    this.onCommitted();
    const end = await this.log.lastSeq();
    const reader = new OrderedReader({
      nc: this.log.nc,
      stream: LOG_STREAM,
      filters: [...rowEvents, DELETED].map((type) => `${type}.>`),
      fromSeq: this.#checkpoint + 1,
      signal,
      paceMs: () => FLUSH_MS,
    });
    try {
      // Nothing to project is progress, too: whoever waits for the checkpoint would wait for the next run.
      if ((await reader.attached)?.pending === 0 && end > this.#checkpoint) await this.#advance([], [], end);
      for (;;) {
        const batch = await reader.take(MAX_BATCH);
        if (!batch) return;
        await this.#project(batch, end);
      }
    } finally {
      reader.close();
    }
  }

  async #loadCheckpoint(): Promise<number> {
    this.#stored = await storedCheckpoint(this.db, READ_MODELS);
    const lastSeq = await this.log.lastSeq();
    if (this.#stored <= lastSeq) return this.#stored;
    // A log that was lost, or restored from an older copy than Postgres. What is listed may never have happened there:
    // everything is made again from what log and archive have.
    this.logger.warn({ checkpoint: this.#stored, lastSeq }, 'the log is behind the read models, which are made again');
    await this.db.transaction().execute(async (trx) => {
      await trx.deleteFrom('gateway.tasks').execute();
      await trx.deleteFrom('gateway.runs').execute();
      // With its rows, for what is not listed up to a checkpoint was never submitted.
      await trx.deleteFrom('gateway.checkpoints').where('name', '=', READ_MODELS).execute();
    });
    return (this.#stored = 0);
  }

  async #project(batch: readonly Delivered[], end: number): Promise<void> {
    await this.#cacheRows(batch);
    const touched = new Set<RunRow>();
    const changes: Change[] = [];
    const deleted = new Map<string, number>();
    for (const delivered of batch) {
      const subject = parseSubject(delivered.message.subject);
      if (!subject) continue;
      if (subject.type === DELETED) {
        // Only a sound one deletes: what breaks its contract is put aside, by whoever owns the run.
        if (!(await soundEvent(this.log, delivered))) continue;
        deleted.set(subject.runId, delivered.delivery.seq);
        touched.delete(this.#rows.get(subject.runId)!);
        this.#rows.delete(subject.runId);
        continue;
      }
      const row = this.#rows.get(subject.runId) ?? newRow(subject.runId);
      this.#rows.set(subject.runId, row);
      const event = parsedRowEvents.has(subject.type) ? await soundEvent(this.log, delivered) : undefined;
      if (parsedRowEvents.has(subject.type) && !event) continue;
      const { seq, time } = delivered.delivery;
      const change = foldRow(row, { type: subject.type as RowEventType, runId: subject.runId, seq, time, event });
      // A run whose beginning is not here (purged while the tables were rebuilt) is listed from its archive.
      if (row.firstSeq === 0) continue;
      touched.add(row);
      if (change) changes.push({ row, change });
    }
    // Before the checkpoint moves: what was begun by somebody who died then is finished here.
    for (const [runId, seq] of deleted) await this.archivist.erase(runId, seq);
    const kept = changes.filter(({ row }) => !deleted.has(row.runId));
    const { seq, pending } = batch.at(-1)!.delivery;
    await this.#advance([...touched], kept, pending === 0 ? Math.max(seq, end) : seq);
    this.#forget();
  }

  async #advance(rows: RunRow[], changes: Change[], checkpoint: number): Promise<void> {
    try {
      await this.#commit(rows, changes, checkpoint);
    } catch (error) {
      if (!isDataFault(error)) throw error;
      await this.#commitOneByOne(rows, changes, checkpoint);
    }
    this.#checkpoint = this.#stored = checkpoint;
    this.onCommitted(rows);
  }

  async #commit(rows: RunRow[], changes: Change[], checkpoint: number): Promise<void> {
    await this.db.transaction().execute(async (trx) => {
      await saveRows(trx, rows);
      for (const { row, change } of changes) await applyTaskChange(trx, row.runId, change);
      await this.#saveCheckpoint(trx, checkpoint);
    });
  }

  /** Something that Postgres does not take must not hold up everybody else for ever. */
  async #commitOneByOne(rows: RunRow[], changes: Change[], checkpoint: number): Promise<void> {
    for (const row of rows) {
      const mine = changes.filter((change) => change.row === row).map(({ change }) => change);
      for (const reason of await saveListing(this.db, row, mine))
        this.logger.error({ runId: row.runId, reason }, 'something of a run cannot be listed');
    }
    await this.#commit([], [], checkpoint);
  }

  /** Moves it from where this leader put it: another leader, or emptied tables, make the whole transaction void. */
  async #saveCheckpoint(trx: Transaction<GatewayDatabase>, seq: number): Promise<void> {
    const { rows } = await sql`
      insert into gateway.checkpoints as held (name, seq) select ${READ_MODELS}, ${seq}::bigint
        where ${this.#stored}::bigint = 0 or exists (select 1 from gateway.checkpoints where name = ${READ_MODELS})
      on conflict (name) do update set seq = excluded.seq where held.seq = ${this.#stored}::bigint
      returning 1`.execute(trx);
    if (rows.length === 0) throw new Error('the read models were emptied, or somebody else leads by now');
    await sql`select pg_notify('flex_gateway', ${String(seq)})`.execute(trx);
  }

  async #cacheRows(batch: readonly Delivered[]): Promise<void> {
    const missing = new Set<string>();
    for (const { message } of batch) {
      const subject = parseSubject(message.subject);
      if (subject && !this.#rows.has(subject.runId)) missing.add(subject.runId);
    }
    for (const row of await loadRows(this.db, [...missing])) this.#rows.set(row.runId, row);
  }

  #forget(): void {
    for (const [runId, row] of this.#rows) {
      if (row.endedAt !== undefined || this.#rows.size > CACHED_ROWS) this.#rows.delete(runId);
    }
  }
}
