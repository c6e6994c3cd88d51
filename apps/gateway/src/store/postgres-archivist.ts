import { setTimeout as delay } from 'node:timers/promises';
import { sql, type Kysely } from 'kysely';
import {
  ContractViolation,
  LogUnavailable,
  LOG_STREAM,
  OrderedReader,
  parseSubject,
  decodeDelivered,
  reasonOf,
  type Delivered,
  type EventLog,
  type LogEvent,
} from '@flex/events';
import type { Logger } from '@flex/events/service';
import { packHistory } from './archive-format.js';
import type { GatewayDatabase } from './gateway-schema.js';

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

interface Ended {
  run_id: string;
  tenant: string;
  first_seq: string;
  last_seq: string;
}

/** Moves ended runs from the hot log to one compressed row each, and lets them leave the log after the retention time. */
export class PostgresArchivist {
  constructor(
    private readonly log: EventLog,
    private readonly db: Kysely<GatewayDatabase>,
    private readonly logger: Logger,
    private readonly retentionMs: number,
  ) {}

  /** Works while `leading()`; one replica at a time. */
  async run(leading: () => boolean, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      let worked = false;
      const started = Date.now();
      if (leading()) {
        try {
          worked = (await this.archiveEnded(Date.now(), signal)) + (await this.purgeOld(Date.now(), signal)) > 0;
        } catch (error) {
          if (!signal.aborted) this.logger.warn({ reason: reasonOf(error) }, 'archiving failed and is tried again');
        }
      }
      const rest = worked ? (Date.now() - started) * (1 / DUTY - 1) : PAUSE_MS;
      await delay(rest, undefined, { signal }).catch(() => undefined);
    }
  }

  /** Archives a batch of ended runs; says how many. */
  async archiveEnded(now: number, signal?: AbortSignal): Promise<number> {
    const ended = await this.db
      .selectFrom('gateway.runs')
      .select(['run_id', 'tenant', 'first_seq', 'last_seq'])
      .where('ended_at', 'is not', null)
      .where('archived_at', 'is', null)
      .where('ended_at', '<', sql<string>`${now - Math.min(SETTLE_MS, this.retentionMs / 2)}`)
      .orderBy('first_seq')
      .limit(BATCH)
      .execute();
    let archived = 0;
    while (archived < ended.length && !signal?.aborted) {
      const group = closeTogether(ended.slice(archived));
      const histories = group.length > 1 ? await this.#readPass(group, signal) : await this.#readOne(group[0]!, signal);
      for (const run of group) await this.#store(run, histories.get(run.run_id) ?? []);
      archived += group.length;
    }
    return ended.length;
  }

  /** Lets archived runs leave the log; says how many. */
  async purgeOld(now: number, signal?: AbortSignal): Promise<number> {
    const old = await this.db
      .selectFrom('gateway.runs')
      .select('run_id')
      .where('archived_at', 'is not', null)
      .where('purged_at', 'is', null)
      .where('ended_at', '<', sql<string>`${now - this.retentionMs}`)
      .orderBy('ended_at')
      .limit(BATCH)
      .execute();
    for (const { run_id } of old) {
      if (signal?.aborted) break;
      await this.log.purgeRun(run_id);
      await this.db
        .updateTable('gateway.runs')
        .set({ purged_at: new Date(now) })
        .where('run_id', '=', run_id)
        .execute();
    }
    return old.length;
  }

  /** Forgets a run everywhere. */
  async erase(runId: string): Promise<void> {
    await this.log.purgeRun(runId);
    await this.db.transaction().execute(async (trx) => {
      await trx.deleteFrom('gateway.archive').where('run_id', '=', runId).execute();
      await trx.deleteFrom('gateway.tasks').where('run_id', '=', runId).execute();
      await trx.deleteFrom('gateway.runs').where('run_id', '=', runId).execute();
    });
  }

  /** What breaks its contract is no part of the history; it lies in the dead letters. */
  async #decode(message: Delivered['message'], { seq, time }: Delivered['delivery']): Promise<LogEvent | undefined> {
    try {
      return (await decodeDelivered(message, seq, time, this.log.claims)) as unknown as LogEvent;
    } catch (error) {
      if (error instanceof ContractViolation) return undefined;
      throw error;
    }
  }

  async #store(run: Ended, events: LogEvent[]): Promise<void> {
    const history = events.length > 0 ? await packHistory(events) : undefined;
    await this.db.transaction().execute(async (trx) => {
      if (history) {
        const row = {
          run_id: run.run_id,
          tenant: run.tenant,
          events: events.length,
          last_seq: events.at(-1)!.seq,
          history,
        };
        await trx
          .insertInto('gateway.archive')
          .values(row)
          .onConflict((conflict) => conflict.column('run_id').doUpdateSet(row))
          .execute();
      }
      await trx
        .updateTable('gateway.runs')
        .set({ archived_at: sql`now()` })
        .where('run_id', '=', run.run_id)
        .execute();
    });
  }

  async #readOne(run: Ended, signal?: AbortSignal): Promise<Map<string, LogEvent[]>> {
    const events: LogEvent[] = [];
    for await (const event of this.log.readRun(run.run_id, { fromSeq: Number(run.first_seq), signal }))
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
        for (const { message, delivery } of batch) {
          seq = delivery.seq;
          const events = histories.get(parseSubject(message.subject)?.runId ?? '');
          const event = events && (await this.#decode(message, delivery));
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
