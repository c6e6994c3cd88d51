import type { Kysely } from 'kysely';
import { upcast, type StoredEvent } from '@flex/contracts';
import { isRunId, LogUnavailable, type EventLog } from '@flex/events';
import { assertConnected } from '../runs/log-desk.js';
import { unpackHistory } from '../store/archive-format.js';
import type { GatewayDatabase } from '../store/gateway-schema.js';
import type { RunHistory } from './run-history.js';

/** For reading a whole run. */
const PATIENCE_MS = 30_000;
const REMEMBERED = 20_000;

/** Reads the archive of Postgres where a run is archived, else the log. */
export class StoredHistory implements RunHistory {
  /** Sequences from which runs submitted here begin: finding a run's messages is cheaper from a known place on. */
  readonly #first = new Map<string, number>();

  constructor(
    private readonly log: EventLog,
    private readonly db: Kysely<GatewayDatabase>,
  ) {}

  remember(runId: string, seq: number): void {
    this.#first.set(runId, seq);
    if (this.#first.size > REMEMBERED)
      for (const oldest of this.#first.keys()) {
        this.#first.delete(oldest);
        break;
      }
  }

  async *read(runId: string, signal?: AbortSignal): AsyncGenerator<StoredEvent> {
    if (!isRunId(runId)) return;
    const first = this.#first.get(runId);
    // The archive first: what is purged from the log is there for certain.
    let away: unknown;
    const archived = await this.archived(runId).catch((error: unknown) => {
      away = error;
      return undefined;
    });
    if (archived) return yield* archived;
    let found = false;
    assertConnected(this.log);
    // A reader that waits for a server which is away must not hold up a client for ever.
    const patience = AbortSignal.timeout(PATIENCE_MS);
    const until = signal ? AbortSignal.any([signal, patience]) : patience;
    for await (const event of this.log.readRun(runId, { fromSeq: first, signal: until })) {
      found = true;
      yield event as StoredEvent;
    }
    if (patience.aborted) throw new LogUnavailable('the log did not answer in time');
    // Without Postgres nobody knows whether a run that the log does not hold is archived or never was.
    if (!found && away) throw away;
  }

  async archived(runId: string): Promise<StoredEvent[] | undefined> {
    const row = await this.db
      .selectFrom('gateway.archive')
      .select('history')
      .where('run_id', '=', runId)
      .executeTakeFirst();
    if (!row) return undefined;
    const events = await unpackHistory(row.history);
    return events.map((event) => ({ ...event, ...upcast(event.type, event.version, event.data) }) as StoredEvent);
  }
}
