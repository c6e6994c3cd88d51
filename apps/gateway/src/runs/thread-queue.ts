import { sql, type Kysely } from 'kysely';
import { reasonOf, type EventLog } from '@flex/events';
import type { Logger } from '@flex/events/service';
import type { RowState, RunRow } from '../core/run-row.js';
import { isEnded } from '../core/run-summary.js';
import type { GatewayDatabase } from '../store/gateway-schema.js';

/** Releases runs that waited for others of their thread. Level-triggered: it looks at who still waits, not at who ended. */
export class ThreadQueue {
  #busy: Promise<void> | undefined;
  #again = false;

  constructor(
    private readonly log: EventLog,
    private readonly db: Kysely<GatewayDatabase>,
    private readonly logger: Logger,
  ) {}

  /** To be called with what was just committed; asks the database only when it may matter. */
  async afterCommit(rows: readonly RunRow[]): Promise<void> {
    const matters = rows.some(
      (row) => row.state.after !== undefined || (isEnded(row.status) && row.threadId !== undefined),
    );
    if (!matters) return;
    this.#again = true;
    this.#busy ??= this.#work().finally(() => (this.#busy = undefined));
    await this.#busy;
  }

  async #work(): Promise<void> {
    while (this.#again) {
      this.#again = false;
      try {
        await this.release();
      } catch (error) {
        this.logger.warn({ reason: reasonOf(error) }, 'releasing waiting runs failed; the next change tries again');
      }
    }
  }

  /** Releases every waiting run whose predecessors have all ended. */
  async release(): Promise<void> {
    const waiting = await this.db
      .selectFrom('gateway.runs')
      .select(['run_id', 'state'])
      .where(sql<boolean>`state ? 'after'`)
      .where('ended_at', 'is', null)
      .execute();
    for (const { run_id: runId, state } of waiting) {
      const after = (state as RowState).after ?? [];
      const open = await this.db
        .selectFrom('gateway.runs')
        .select('run_id')
        .where('run_id', 'in', after)
        .where('ended_at', 'is', null)
        .executeTakeFirst();
      if (!open) await this.log.append({ type: 'run.released', runId, id: `run.released.${runId}`, data: {} });
    }
  }
}
