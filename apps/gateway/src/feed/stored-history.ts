import { sql, type Kysely } from 'kysely';
import type { StoredEvent } from '@flex/contracts';
import { isRunId, LogUnavailable, type EventLog, type LogEvent } from '@flex/events';
import { assertConnected, type LogDesk } from '../runs/log-desk.js';
import { unpackHistory } from '../store/archive-format.js';
import { READ_MODELS } from '../store/postgres-checkpoints.js';
import type { GatewayDatabase } from '../store/gateway-schema.js';
import type { RunHistory } from './run-history.js';
import type { RunIndex } from './run-index.js';

/** For reading a whole run. */
const PATIENCE_MS = 30_000;
/** More messages than this come cheaper through a reader of their run. */
const FEW = 512;

/** Reads the archive of Postgres where a run is archived, else the log. */
export class StoredHistory implements RunHistory {
  #asked: Promise<number> | undefined;
  #next: Promise<number> | undefined;

  constructor(
    private readonly log: EventLog,
    private readonly desk: LogDesk,
    private readonly db: Kysely<GatewayDatabase>,
    private readonly index: RunIndex,
  ) {}

  async *read(runId: string, signal?: AbortSignal): AsyncGenerator<StoredEvent> {
    if (!isRunId(runId)) return;
    // The archive first: what is purged from the log is there for certain.
    let away: unknown;
    const archived = await this.archived(runId).catch((error: unknown) => {
      away = error;
      return undefined;
    });
    if (archived) return yield* archived;
    assertConnected(this.log);
    const known = await this.known(runId);
    if (known) return yield* known as StoredEvent[];
    if (!away && (await this.#neverWas(runId))) return;
    let found = false;
    for await (const event of this.#lookedUp(runId, signal)) {
      found = true;
      yield event;
    }
    // Without Postgres nobody knows whether a run that the log does not hold is archived or never was.
    if (!found && away) throw away;
  }

  /**
   * Whether a run that the feed knows nothing of was never submitted, by the read models: they hold every run that began
   * before the feed did. Asking the log costs the more the more runs it has.
   */
  async #neverWas(runId: string): Promise<boolean> {
    if (!(await this.isCurrent().catch(() => false))) return false;
    const before = this.index.submittedBefore(runId);
    if (before === undefined) return false;
    const row = await this.db
      .selectFrom('gateway.checkpoints')
      .select(({ exists, selectFrom }) =>
        exists(selectFrom('gateway.runs').select('run_id').where('run_id', '=', runId)).as('listed'),
      )
      .where('name', '=', READ_MODELS)
      .where('seq', '>=', sql<string>`${before}`)
      .executeTakeFirst();
    return row?.listed === false;
  }

  /** Whether the feed has seen everything that is in the log now. Rejects with LogUnavailable. */
  async isCurrent(): Promise<boolean> {
    return this.index.upTo(await this.#lastSeq());
  }

  /**
   * What lies in the log, by the places that the feed has seen; undefined when it has not seen them all, one was purged
   * meanwhile, or they are many.
   */
  async known(runId: string, options: { keepNewer?: boolean } = {}): Promise<LogEvent[] | undefined> {
    const events = await this.#after(runId, 0, options);
    return events?.[0]?.type === 'run.submitted' ? events : undefined;
  }

  /** What has come after a sequence; undefined as in {@link known}. */
  since(runId: string, seq: number): Promise<StoredEvent[] | undefined> {
    const found = seq === 0 ? this.known(runId) : this.#after(runId, seq);
    return found as Promise<StoredEvent[] | undefined>;
  }

  async #after(runId: string, seq: number, options?: { keepNewer?: boolean }): Promise<LogEvent[] | undefined> {
    // Without the log there is still the archive.
    if (!(await this.isCurrent().catch(() => false))) return undefined;
    const places = this.index.placesOf(runId);
    const wanted = places?.slice(places.findLastIndex((place) => place <= seq) + 1);
    return wanted && wanted.length <= FEW ? this.log.readMessages(wanted, options) : undefined;
  }

  /**
   * Questions at the same time share one. Who comes while it is under way may know of an event that was appended after it
   * was answered, and takes the next.
   */
  #lastSeq(): Promise<number> {
    const ask = () => this.desk.soon(() => this.log.lastSeq());
    if (!this.#asked) return (this.#asked = ask().finally(() => (this.#asked = undefined)));
    this.#next ??= this.#asked
      .catch(() => undefined)
      .then(() => {
        this.#next = undefined;
        return this.#lastSeq();
      });
    return this.#next;
  }

  async *#lookedUp(runId: string, signal: AbortSignal | undefined): AsyncGenerator<StoredEvent> {
    // A reader that waits for a server which is away must not hold up a client for ever.
    const patience = AbortSignal.timeout(PATIENCE_MS);
    const until = signal ? AbortSignal.any([signal, patience]) : patience;
    const gathered = this.index.begin(runId);
    const places: number[] = [];
    let whole = false;
    try {
      for await (const event of this.log.readRun(runId, { signal: until })) {
        places.push(event.seq);
        yield event as StoredEvent;
      }
      if (patience.aborted) throw new LogUnavailable('the log did not answer in time');
      whole = !until.aborted;
    } finally {
      if (gathered) this.index.finish(runId, gathered, whole ? places : undefined);
    }
  }

  async archived(runId: string): Promise<StoredEvent[] | undefined> {
    const row = await this.db
      .selectFrom('gateway.archive')
      .select('history')
      .where('run_id', '=', runId)
      .executeTakeFirst();
    return row && unpackHistory(row.history);
  }
}
