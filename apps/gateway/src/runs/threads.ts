import type { Kysely } from 'kysely';
import { ulid } from 'ulid';
import { refuse } from '../http/problems.js';
import type { Caller } from '../security/caller.js';
import type { GatewayDatabase } from '../store/gateway-schema.js';
import type { LogDesk } from './log-desk.js';
import { clean } from '../store/postgres-run-rows.js';

export type OnConflict = 'reject' | 'enqueue' | 'interrupt' | 'rollback';

/** Runs of one thread follow each other; what a new one does to those still open is the client's choice. */
export class Threads {
  constructor(
    private readonly log: LogDesk,
    private readonly db: Kysely<GatewayDatabase>,
  ) {}

  /** Ids of the runs that the new one has to wait for. Throws `thread_busy` on `reject`. */
  async settle(threadId: string, onConflict: OnConflict, caller: Caller, newRun: string): Promise<string[]> {
    const rows = await this.db
      .selectFrom('gateway.runs')
      .select('run_id')
      .where('tenant', '=', caller.tenant)
      .where('thread_id', '=', clean(threadId))
      .where('ended_at', 'is', null)
      .where('run_id', '!=', newRun)
      .orderBy('first_seq')
      .execute();
    const open = rows.map((row) => row.run_id);
    if (open.length === 0) return [];
    if (onConflict === 'reject') throw refuse.threadBusy(threadId, open);
    if (onConflict === 'enqueue') return open;
    // interrupt keeps what the older run did; rollback also says that its results are void. Both end it first.
    const reason = onConflict === 'interrupt' ? `interrupted by run ${newRun}` : `rolled back by run ${newRun}`;
    await Promise.all(
      open.map((runId) =>
        this.log.append({
          type: 'run.cancel_requested',
          runId,
          id: `run.cancel_requested.${runId}.${ulid()}`,
          data: { reason, ...(caller.by ? { by: caller.by } : {}) },
        }),
      ),
    );
    return open;
  }
}
