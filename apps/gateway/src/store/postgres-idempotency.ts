import { createHash } from 'node:crypto';
import { sql, type Kysely } from 'kysely';
import { refuse } from '../http/problems.js';
import type { GatewayRequest } from '../security/caller.js';
import type { GatewayDatabase } from './gateway-schema.js';

const KEY = /^[\x21-\x7e]{1,200}$/;
/** A first request that took longer has died on the way; a repeat takes its place under the same reserved id. */
const ABANDONED_SECONDS = 30;
const KEPT_SECONDS = 86_400;

/** Written so many seconds ago or more; the database knows, whichever replica asks. */
const olderThan = (seconds: number) => sql<boolean>`created_at <= now() - make_interval(secs => ${seconds})`;

/** Requests with an `Idempotency-Key` are carried out once; a repeat gets the answer of the first. Kept for a day. */
export class Idempotency {
  constructor(private readonly db: Kysely<GatewayDatabase>) {}

  /**
   * `reserve` is an id for what will be made; the same one is given again when a request is repeated. What is `repeatable`
   * under one id (the log takes a submission once) need not wait for a first request that may have died with its replica.
   */
  async once<T>(
    request: GatewayRequest,
    reserve: string,
    run: (reserved: string) => Promise<T>,
    { repeatable = false } = {},
  ): Promise<T> {
    const key = request.headers['idempotency-key'];
    if (typeof key !== 'string' || key === '') return run(reserve);
    if (!KEY.test(key)) throw refuse.invalidHeader('Idempotency-Key', '1 to 200 visible ASCII characters');
    const { tenant } = request.caller;
    const fingerprint = fingerprintOf(request);
    const inserted = await this.db
      .insertInto('gateway.idempotency')
      .values({ tenant, key, fingerprint, run_id: reserve, status: null, answer: null })
      .onConflict((conflict) => conflict.columns(['tenant', 'key']).doNothing())
      .returning('run_id')
      .executeTakeFirst();
    if (inserted) return this.#first(tenant, key, () => run(reserve));
    const row = await this.db
      .selectFrom('gateway.idempotency')
      .selectAll()
      .select(olderThan(ABANDONED_SECONDS).as('abandoned'))
      .where('tenant', '=', tenant)
      .where('key', '=', key)
      .executeTakeFirst();
    if (!row) return run(reserve);
    if (row.fingerprint !== fingerprint) throw refuse.idempotencyKeyReused();
    if (row.status !== null) {
      request.res?.setHeader('idempotency-replayed', 'true');
      return row.answer === null ? run(row.run_id) : (row.answer as T);
    }
    if (!repeatable && !row.abandoned) throw refuse.idempotencyBusy();
    return this.#first(tenant, key, () => run(row.run_id));
  }

  async #first<T>(tenant: string, key: string, run: () => Promise<T>): Promise<T> {
    const mine = this.db.updateTable('gateway.idempotency').where('tenant', '=', tenant).where('key', '=', key);
    try {
      const answer = await run();
      await mine.set({ status: 200, answer: answer === undefined ? null : JSON.stringify(answer) }).execute();
      return answer;
    } catch (error) {
      // A refusal may be corrected and tried again under the same key; what is unclear stays reserved.
      if ((error as { problem?: unknown }).problem) {
        await this.db.deleteFrom('gateway.idempotency').where('tenant', '=', tenant).where('key', '=', key).execute();
      }
      throw error;
    }
  }

  /** Forgets keys older than a day. */
  async clean(): Promise<void> {
    await this.db.deleteFrom('gateway.idempotency').where(olderThan(KEPT_SECONDS)).execute();
  }
}

const fingerprintOf = (request: GatewayRequest): string =>
  createHash('sha256')
    .update(`${request.method} ${request.url}\n`)
    .update(JSON.stringify(request.body ?? null))
    .digest('hex');
