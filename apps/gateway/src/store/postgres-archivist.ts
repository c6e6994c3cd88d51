import { setTimeout as delay } from 'node:timers/promises';
import { sql, type Kysely } from 'kysely';
import {
  LogUnavailable,
  LOG_STREAM,
  OrderedReader,
  parseSubject,
  reasonOf,
  type EventLog,
  type LogClock,
  type LogEvent,
} from '@flex/events';
import type { Logger } from '@flex/events/service';
import type { StoredHistory } from '../feed/stored-history.js';
import { packHistory } from './archive-format.js';
import type { GatewayDatabase } from './gateway-schema.js';
import { storedCheckpoint } from './postgres-checkpoints.js';
import { soundEvent } from './sound-event.js';

/** Late reports of cancelled work still belong into the history; and a busy hour is no time for archiving. */
const SETTLE_MS = 60_000;
const PAUSE_MS = 1_000;
/** Runs whose events lie within so many messages are read in one pass; others one by one. */
const PASS_MESSAGES = 20_000;
const BATCH = 200;
/** A pass that takes longer is given up and tried again. */
const PASS_MS = 30_000;
/** Share of the time that archiving may take: runs come first. */
const DUTY = 0.25;
/** Up to this sequence every run that ended is archived. */
const CHECKPOINT = 'archive';

interface Ended {
  run_id: string;
  tenant: string;
  first_seq: string;
  last_seq: string;
  ended_at: string | null;
}

/** Moves ended runs from the hot log to one compressed row each, and lets them leave the log after the retention time. */
export class PostgresArchivist {
  constructor(
    private readonly log: EventLog,
    private readonly clock: Pick<LogClock, 'now'>,
    private readonly db: Kysely<GatewayDatabase>,
    private readonly history: Pick<StoredHistory, 'known'>,
    private readonly logger: Logger,
    private readonly retentionMs: number,
  ) {}

  /** Works while `leading()`; one replica at a time. */
  async run(leading: () => boolean, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      let worked = false;
      const started = performance.now();
      if (leading()) {
        try {
          worked = (await this.archiveEnded(signal)) + (await this.purgeOld(signal)) > 0;
        } catch (error) {
          if (!signal.aborted) this.logger.warn({ reason: reasonOf(error) }, 'archiving failed and is tried again');
        }
      }
      const rest = worked ? (performance.now() - started) * (1 / DUTY - 1) : PAUSE_MS;
      await delay(rest, undefined, { signal }).catch(() => undefined);
    }
  }

  /** Archives a batch of ended runs; says how many. */
  async archiveEnded(signal?: AbortSignal): Promise<number> {
    // Events are stamped by the log's server: by its time, too, they are old enough.
    const settled = this.clock.now() - Math.min(SETTLE_MS, this.retentionMs / 2);
    const from = await this.#checkpoint();
    const ended = await this.db
      .selectFrom('gateway.runs')
      .select(['run_id', 'tenant', 'first_seq', 'last_seq', 'ended_at'])
      .where('ended_at', 'is not', null)
      .where('ended_at', '<', sql<string>`${settled}`)
      .where('last_seq', '>', sql<string>`${from}`)
      // Read models that were emptied bring runs back that were archived long ago.
      .where(sql<boolean>`not exists (select 1 from gateway.archive a where a.run_id = runs.run_id)`)
      .orderBy('last_seq')
      .limit(BATCH)
      .execute();
    if (ended.length === 0) return 0;
    const neighbours = [...ended].sort((one, other) => Number(one.first_seq) - Number(other.first_seq));
    let archived = 0;
    while (archived < neighbours.length && !signal?.aborted) {
      const group = closeTogether(neighbours.slice(archived));
      const histories = group.length > 1 ? await this.#readPass(group, signal) : await this.#readOne(group[0]!, signal);
      for (const run of group) await this.#store(run, histories.get(run.run_id) ?? []);
      archived += group.length;
    }
    signal?.throwIfAborted();
    // Rows appear in the order of the log, so none that comes later lies before the last one of these.
    await this.#saveCheckpoint(Number(ended.at(-1)!.last_seq));
    return ended.length;
  }

  /** Lets archived runs leave the log; says how many. */
  async purgeOld(signal?: AbortSignal): Promise<number> {
    const old = await this.db
      .selectFrom('gateway.archive')
      .select('run_id')
      .where('purged_at', 'is', null)
      .where('ended_at', '<', sql<string>`${this.clock.now() - this.retentionMs}`)
      .orderBy('ended_at')
      .limit(BATCH)
      .execute();
    for (const { run_id } of old) {
      if (signal?.aborted) break;
      await this.log.purgeRun(run_id);
      await this.db
        .updateTable('gateway.archive')
        .set({ purged_at: sql<Date>`now()` })
        .where('run_id', '=', run_id)
        .execute();
    }
    return old.length;
  }

  async #checkpoint(): Promise<number> {
    const stored = await storedCheckpoint(this.db, CHECKPOINT);
    // A log that was lost and began again has lower sequences.
    return stored > (await this.log.lastSeq()) ? 0 : stored;
  }

  async #saveCheckpoint(seq: number): Promise<void> {
    await this.db
      .insertInto('gateway.checkpoints')
      .values({ name: CHECKPOINT, seq })
      .onConflict((conflict) => conflict.column('name').doUpdateSet({ seq }))
      .execute();
  }

  /** Forgets all of a run that lies before the event that deleted it; repeated it changes nothing. */
  async erase(runId: string, deletedAt: number): Promise<void> {
    await this.log.purgeRun(runId, deletedAt);
    await this.db.transaction().execute(async (trx) => {
      // The row first: who is just storing the run in the archive holds it (see #store).
      await trx.deleteFrom('gateway.runs').where('run_id', '=', runId).execute();
      await trx.deleteFrom('gateway.tasks').where('run_id', '=', runId).execute();
      await trx.deleteFrom('gateway.archive').where('run_id', '=', runId).execute();
    });
  }

  async #store(run: Ended, events: LogEvent[]): Promise<void> {
    // Nothing is left of a run that was deleted meanwhile.
    if (events.length === 0) return;
    const row = {
      run_id: run.run_id,
      tenant: run.tenant,
      events: events.length,
      last_seq: events.at(-1)!.seq,
      ended_at: Number(run.ended_at),
      history: await packHistory(events),
    };
    await this.db.transaction().execute(async (trx) => {
      // A run that is deleted meanwhile must not come back: its row is held until the archive has it, or is gone.
      const held = await trx
        .selectFrom('gateway.runs')
        .select('run_id')
        .where('run_id', '=', run.run_id)
        .forShare()
        .executeTakeFirst();
      if (!held) return;
      await trx
        .insertInto('gateway.archive')
        .values(row)
        .onConflict((conflict) => conflict.column('run_id').doUpdateSet(row))
        .execute();
    });
  }

  async #readOne(run: Ended, signal?: AbortSignal): Promise<Map<string, LogEvent[]>> {
    const known = await this.history.known(run.run_id, { keepNewer: true });
    if (known) return new Map([[run.run_id, known]]);
    const events: LogEvent[] = [];
    for await (const event of this.log.readRun(run.run_id, { fromSeq: Number(run.first_seq), keepNewer: true, signal }))
      events.push(event);
    // Half a history must not become the archive.
    signal?.throwIfAborted();
    return new Map([[run.run_id, events]]);
  }

  /** Finding one run by its subject costs the server much; finding a hundred neighbours costs one pass. */
  async #readPass(group: Ended[], signal?: AbortSignal): Promise<Map<string, LogEvent[]>> {
    const histories = new Map<string, LogEvent[]>(group.map((run) => [run.run_id, []]));
    const patience = AbortSignal.timeout(PASS_MS);
    const cut = signal ? AbortSignal.any([signal, patience]) : patience;
    const fromSeq = Number(group[0]!.first_seq);
    const reader = new OrderedReader({ nc: this.log.nc, stream: LOG_STREAM, fromSeq, signal: cut });
    // What was appended to an ended run by now lies before this.
    const until = Math.min(await this.log.lastSeq(), Number(group[0]!.first_seq) + PASS_MESSAGES);
    try {
      for (let seq = 0; seq < until;) {
        const batch = await reader.take(1_000);
        // Half a history must not become the archive.
        if (!batch) throw new LogUnavailable('the log did not deliver in time');
        for (const delivered of batch) {
          seq = delivered.delivery.seq;
          const events = histories.get(parseSubject(delivered.message.subject)?.runId ?? '');
          const event = events && (await soundEvent(this.log, delivered, { keepNewer: true }));
          if (event) events.push(event);
        }
        // The rest of the range was purged meanwhile.
        if (batch.at(-1)?.delivery.pending === 0) break;
      }
    } finally {
      reader.close();
    }
    return histories;
  }
}

/** The longest head of the list (by first sequence) whose events all lie within one pass. */
function closeTogether(runs: Ended[]): Ended[] {
  const from = Number(runs[0]!.first_seq);
  const within = (run: Ended): boolean => Number(run.last_seq) - from < PASS_MESSAGES * 0.8;
  const first = runs.findIndex((run) => !within(run));
  return first === -1 ? runs : runs.slice(0, Math.max(1, first));
}
