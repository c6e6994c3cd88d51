import { setTimeout as delay } from 'node:timers/promises';
import type { Kysely } from 'kysely';
import { subjectOf, type RunEventType } from '@flex/contracts';
import {
  isOvertaken,
  LogUnavailable,
  ThreadClaims,
  type ClaimedThread,
  type EventLog,
  type PubAck,
  type ThreadClaim,
} from '@flex/events';
import { refuse } from '../http/problems.js';
import type { Caller } from '../security/caller.js';
import type { GatewayDatabase } from '../store/gateway-schema.js';
import { clean } from '../store/postgres-run-rows.js';
import { interrupt } from './interruption.js';
import { PATIENCE_MS, type LogDesk } from './log-desk.js';

export type OnConflict = 'reject' | 'enqueue' | 'interrupt' | 'rollback';

export interface ThreadedSubmission {
  runId: string;
  threadId: string;
  onConflict: OnConflict;
  caller: Caller;
}

/** A claim without its submission: somebody is at it right now, or died there. */
const POLL_MS = 5;
const TAKE_OVER_MS = 3_000;
/** Whether a run has ended is asked of the log for so many; among more, some is open anyway. */
const LOOKED_UP = 16;
/** Runs named in a claim: only those that the read models may not know yet matter. */
const NAMED = 1_000;
const ENDS = ['run.completed', 'run.failed', 'run.cancelled'] as const;

/**
 * Runs of one thread follow each other; what a new one does to those still open is the client's choice.
 *
 * The log decides (docs/adr/0013): to submit, a gateway claims the thread after having looked who is open, and the log
 * takes the submission only while that claim is the last one. What was looked at are the read models, and, because they are
 * a moment behind, whom the claim before names. So two at the same moment, on whichever replicas, see each other. A
 * gateway that dies between the two leaves a claim that the next one takes over after a while; what the dead one
 * may still have under way is refused then.
 */
export class Threads {
  readonly #claims: ThreadClaims;

  constructor(
    private readonly log: EventLog,
    private readonly desk: LogDesk,
    private readonly db: Kysely<GatewayDatabase>,
  ) {
    this.#claims = new ThreadClaims(log);
  }

  /**
   * Resolves with the run's place in the log, also when it was there already. `append` is called with the runs to wait
   * for and the claim to submit under. Throws `thread_busy` on `reject`.
   */
  async submit(
    wish: ThreadedSubmission,
    append: (after: string[], thread: ThreadClaim) => Promise<PubAck>,
  ): Promise<void> {
    const { runId, threadId, onConflict, caller } = wish;
    const subject = ThreadClaims.subjectOf(caller.tenant, threadId);
    const deadline = performance.now() + PATIENCE_MS;
    let unfulfilled: { seq: number; since: number } | undefined;
    while (performance.now() < deadline) {
      const [claim, present] = await this.desk.soon(() =>
        Promise.all([this.#claims.last(subject), this.#seqOf('run.submitted', runId)]),
      );
      if (present > 0) return;
      const { open, fulfilled } = await this.desk.soon(() => this.#look(wish, claim));
      if (claim && !fulfilled) {
        if (unfulfilled?.seq !== claim.seq) unfulfilled = { seq: claim.seq, since: performance.now() };
        if (performance.now() - unfulfilled.since < TAKE_OVER_MS) {
          await delay(POLL_MS);
          continue;
        }
      }
      if (onConflict === 'reject' && open.length > 0) throw refuse.threadBusy(threadId, open);
      const named = { runId, open: open.slice(-NAMED) };
      const mine = await this.desk.soon(() => this.#claims.take(subject, claim?.seq ?? 0, named));
      if (!mine) continue;
      // The same submission may have come in elsewhere, under a claim of before; from this one on it cannot any more.
      const elsewhere = await this.desk.soon(() => this.#seqOf('run.submitted', runId));
      if (elsewhere > 0) return;
      const stored = await append(open, mine).catch((error: unknown) => {
        if (!isOvertaken(error)) throw error;
      });
      if (!stored) continue;
      if (onConflict === 'interrupt' || onConflict === 'rollback') {
        // Whatever becomes of this, the run is accepted: the release of waiting runs sees to it as well.
        await Promise.allSettled(open.map((older) => interrupt(this.desk, older, runId, onConflict, caller.by)));
      }
      return;
    }
    throw new LogUnavailable('too many submissions to one thread at once');
  }

  /** Who is open on the thread, oldest first, and whether the run of the last claim is known to have been submitted. */
  async #look(
    { runId, threadId, caller }: ThreadedSubmission,
    claim: ClaimedThread | undefined,
  ): Promise<{ open: string[]; fulfilled: boolean }> {
    const named = claim ? [...new Set([...claim.open, claim.runId])] : [];
    const rows = await this.db
      .selectFrom('gateway.runs')
      .select(['run_id', 'ended_at'])
      .where((where) =>
        where.or([
          where.and([
            where('tenant', '=', caller.tenant),
            where('thread_id', '=', clean(threadId)),
            where('ended_at', 'is', null),
          ]),
          ...(named.length > 0 ? [where('run_id', 'in', named)] : []),
        ]),
      )
      .orderBy('first_seq')
      .execute();
    const known = new Set(rows.map((row) => row.run_id));
    const fresh: string[] = [];
    for (const name of named) if (!known.has(name) && (await this.#seqOf('run.submitted', name)) > 0) fresh.push(name);
    const open = [...rows.filter((row) => row.ended_at === null).map((row) => row.run_id), ...fresh].filter(
      (one) => one !== runId,
    );
    return {
      open: open.length > LOOKED_UP ? open : await this.#stillOpen(open),
      fulfilled: claim !== undefined && (known.has(claim.runId) || (await this.#wasSubmitted(claim.runId, fresh))),
    };
  }

  async #wasSubmitted(runId: string, fresh: string[]): Promise<boolean> {
    return runId === '' || fresh.includes(runId) || (await this.#seqOf('run.deleted', runId)) > 0;
  }

  async #stillOpen(runIds: string[]): Promise<string[]> {
    const ends = await Promise.all(
      runIds.map(async (runId) => {
        const seqs = await Promise.all(ENDS.map((type) => this.#seqOf(type, runId)));
        return seqs.some((seq) => seq > 0);
      }),
    );
    return runIds.filter((_, index) => !ends[index]);
  }

  #seqOf(type: RunEventType, runId: string): Promise<number> {
    return this.log.lastSeq(subjectOf(type, runId, this.log.partitions));
  }
}
