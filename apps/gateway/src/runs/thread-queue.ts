import { sql, type Kysely } from 'kysely';
import { reasonOf, type EventLog } from '@flex/events';
import type { Logger } from '@flex/events/service';
import type { RowState, RunRow } from '../core/run-row.js';
import type { RunDeletion } from './run-deletion.js';
import { isEnded } from '../core/run-summary.js';
import { interrupt } from './interruption.js';
import type { GatewayDatabase } from '../store/gateway-schema.js';

const RETRY_MS = 1_000;

/**
 * Releases runs that waited for others of their thread, and ends those others where the client wanted it and whoever took
 * the run in died before it could say so. Level-triggered: it looks at who still waits, not at who ended.
 */
export class ThreadQueue {
  #busy: Promise<void> | undefined;
  #again = false;
  /** Runs that were asked here to end, by who waits for them: asked once. */
  readonly #asked = new Map<string, Set<string>>();

  constructor(
    private readonly log: EventLog,
    private readonly db: Kysely<GatewayDatabase>,
    private readonly deletion: RunDeletion,
    private readonly logger: Logger,
  ) {}

  /** To be called with what was just committed, without when anything may have been; asks the database only when it may matter. */
  async afterCommit(rows?: readonly RunRow[]): Promise<void> {
    const matters =
      rows?.some((row) => row.state.after !== undefined || (isEnded(row.status) && row.threadId !== undefined)) ?? true;
    if (!matters) return;
    this.#again = true;
    this.#busy ??= this.#work().finally(() => (this.#busy = undefined));
    await this.#busy;
  }

  async #work(): Promise<void> {
    while (this.#again) {
      this.#again = false;
      try {
        await this.#settle();
      } catch (error) {
        this.logger.warn({ reason: reasonOf(error) }, 'releasing waiting runs failed, trying again');
        // Nothing else may ever happen on the thread.
        setTimeout(() => void this.afterCommit(), RETRY_MS).unref();
      }
    }
  }

  /** Looks after every waiting run. */
  async #settle(): Promise<void> {
    const waiting = await this.db
      .selectFrom('gateway.runs')
      .select(['run_id', 'state'])
      .where(sql<boolean>`state ? 'after'`)
      .where('ended_at', 'is', null)
      .execute();
    for (const runId of this.#asked.keys()) if (!waiting.some((run) => run.run_id === runId)) this.#asked.delete(runId);
    for (const { run_id: runId, state } of waiting) await this.#settleOne(runId, state as RowState);
  }

  async #settleOne(runId: string, { after = [], interrupts, rollsBack }: RowState): Promise<void> {
    const before = await this.db
      .selectFrom('gateway.runs')
      .select(['run_id', 'status', 'ended_at'])
      .where('run_id', 'in', after)
      .execute();
    const open = before.filter((run) => run.ended_at === null);
    if (open.length > 0) {
      if (interrupts) await this.#interrupt(open, runId, rollsBack ? 'rollback' : 'interrupt');
      return;
    }
    // What had come to its end by itself before the rollback reached it stands.
    const undone = rollsBack ? before.filter((run) => run.status === 'cancelled') : [];
    for (const run of undone) await this.deletion.delete(run.run_id, { rolledBackBy: runId });
    await this.log.append({ type: 'run.released', runId, id: `run.released.${runId}`, data: {} });
  }

  async #interrupt(open: { run_id: string }[], newer: string, how: 'interrupt' | 'rollback'): Promise<void> {
    const asked = this.#asked.get(newer) ?? new Set();
    this.#asked.set(newer, asked);
    for (const { run_id: runId } of open) {
      if (asked.has(runId)) continue;
      await interrupt(this.log, runId, newer, how);
      asked.add(runId);
    }
  }
}
