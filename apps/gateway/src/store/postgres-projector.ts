import { setTimeout as delay } from 'node:timers/promises';
import { sql, type Kysely, type Transaction } from 'kysely';
import type { StoredEvent } from '@flex/contracts';
import {
  decodeDelivered,
  LOG_STREAM,
  OrderedReader,
  parseSubject,
  reasonOf,
  type Delivered,
  type EventLog,
} from '@flex/events';
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
import { lockLeadership, type Leadership } from './postgres-leadership.js';
import { loadRows, saveRows } from './postgres-run-rows.js';
import { applyTaskChange } from './postgres-task-rows.js';

/** Only the latest state of each run within this time is written. */
const FLUSH_MS = 250;
const MAX_BATCH = 5_000;
const CACHED_ROWS = 20_000;
const CHECKPOINT = 'read-models';
const RETRY_MS = 1_000;

type Db = Kysely<GatewayDatabase>;
interface Change {
  row: RunRow;
  change: TaskChange;
}

/** SQLSTATE class 22: the data, not the database; trying again cannot help. */
const isDataFault = (error: unknown): boolean => String((error as { code?: unknown }).code ?? '').startsWith('22');

/**
 * Keeps the read models in Postgres current: one replica at a time, in order, from a checkpoint that is written in the
 * same transaction as what it stands for. Emptied tables are filled again from the log and the archive.
 */
export class PostgresProjector {
  readonly #rows = new Map<string, RunRow>();
  #checkpoint = 0;
  #leading = false;

  constructor(
    private readonly log: EventLog,
    private readonly db: Db,
    private readonly logger: Logger,
    private readonly signal: AbortSignal,
    /** Called after each commit with the runs that ended or wait for others. */
    private readonly onCommitted: (rows: RunRow[]) => void,
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
    if (this.#checkpoint === 0) await restoreFromArchive(this.db, signal);
    const reader = new OrderedReader({
      nc: this.log.nc,
      stream: LOG_STREAM,
      filters: rowEvents.map((type) => `${type}.>`),
      fromSeq: this.#checkpoint + 1,
      signal,
    });
    try {
      for (;;) {
        const batch = await reader.take(MAX_BATCH);
        if (!batch) return;
        const started = Date.now();
        await this.#project(batch);
        // Whatever comes in the meantime is one batch: a busy log costs few transactions.
        const rest = FLUSH_MS - (Date.now() - started);
        if (rest > 0 && batch.length < MAX_BATCH) await delay(rest, undefined, { signal }).catch(() => undefined);
      }
    } finally {
      reader.close();
    }
  }

  async #loadCheckpoint(): Promise<number> {
    const row = await this.db
      .selectFrom('gateway.checkpoints')
      .select('seq')
      .where('name', '=', CHECKPOINT)
      .executeTakeFirst();
    const stored = Number(row?.seq ?? 0);
    // A log that was lost and began again has lower sequences than the checkpoint: start over.
    return stored > (await this.log.lastSeq()) ? 0 : stored;
  }

  async #project(batch: readonly Delivered[]): Promise<void> {
    await this.#cacheRows(batch);
    const touched = new Set<RunRow>();
    const changes: Change[] = [];
    for (const delivered of batch) {
      const subject = parseSubject(delivered.message.subject);
      if (!subject) continue;
      const row = this.#rows.get(subject.runId) ?? newRow(subject.runId);
      this.#rows.set(subject.runId, row);
      const event = parsedRowEvents.has(subject.type) ? await this.#decode(delivered) : undefined;
      if (parsedRowEvents.has(subject.type) && !event) continue;
      const { seq, time } = delivered.delivery;
      const change = foldRow(row, { type: subject.type as RowEventType, runId: subject.runId, seq, time, event });
      // A run whose beginning is not here (purged while the tables were rebuilt) is listed from its archive.
      if (row.firstSeq === 0) continue;
      touched.add(row);
      if (change) changes.push({ row, change });
    }
    const checkpoint = batch.at(-1)!.delivery.seq;
    const rows = [...touched];
    try {
      await this.#commit(rows, changes, checkpoint);
    } catch (error) {
      if (!isDataFault(error)) throw error;
      await this.#commitOneByOne(rows, changes, checkpoint);
    }
    this.#checkpoint = checkpoint;
    this.onCommitted(rows);
    this.#forget();
  }

  async #commit(rows: RunRow[], changes: Change[], checkpoint?: number): Promise<void> {
    await this.db.transaction().execute(async (trx) => {
      await saveRows(trx, rows);
      for (const { row, change } of changes) await applyTaskChange(trx, row.runId, change);
      if (checkpoint !== undefined) await this.#saveCheckpoint(trx, checkpoint);
    });
  }

  /** Something that Postgres does not take must not hold up everybody else for ever. */
  async #commitOneByOne(rows: RunRow[], changes: Change[], checkpoint: number): Promise<void> {
    for (const row of rows) {
      try {
        await this.#commit(
          [row],
          changes.filter((change) => change.row === row),
        );
      } catch (error) {
        if (!isDataFault(error)) throw error;
        this.logger.error({ runId: row.runId, reason: reasonOf(error) }, 'a run cannot be listed');
      }
    }
    await this.#commit([], [], checkpoint);
  }

  async #saveCheckpoint(trx: Transaction<GatewayDatabase>, seq: number): Promise<void> {
    await trx
      .insertInto('gateway.checkpoints')
      .values({ name: CHECKPOINT, seq })
      .onConflict((conflict) => conflict.column('name').doUpdateSet({ seq }))
      .execute();
    await sql`select pg_notify('flex_gateway', ${String(seq)})`.execute(trx);
  }

  async #decode({ message, delivery }: Delivered): Promise<StoredEvent | undefined> {
    try {
      return (await decodeDelivered(message, delivery.seq, delivery.time, this.log.claims)) as unknown as StoredEvent;
    } catch (error) {
      this.logger.warn({ seq: delivery.seq, reason: reasonOf(error) }, 'unreadable message skipped');
      return undefined;
    }
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
