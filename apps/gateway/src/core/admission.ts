/** Why a submission is not taken in now, and when to come back. */
export interface Refusal {
  reason: 'pending' | 'share' | 'behind' | 'open';
  retryAfter: number;
}

export interface AdmissionLimits {
  /** Submissions that may wait for the log at once. */
  pending: number;
  /** Events that the orchestrators may be behind. */
  behind: number;
  /** Open runs of one tenant; 0 for any number. */
  openRuns: number;
}

/** A replica that says nothing for so long has nothing to say, or is gone: its partitions speak through another one. */
const FORGET_MS = 10_000;
/** A tenant holds at most so many times as many places as are free: alone four fifths of all, two of them 4/9 each. */
const GREED = 4;
const LONGEST_RETRY_SECONDS = 30;
const OPEN_RETRY_SECONDS = 10;

/**
 * Decides what is taken in: no more than the log stores, no more than the orchestrators work off, and not all of it from
 * one tenant. What was taken in is never given up. Pure: time comes with each call, in milliseconds of one clock.
 */
export class Admission {
  #pending = 0;
  readonly #pendingOf = new Map<string, number>();
  readonly #lags = new Map<string, { lag: number; at: number }>();
  /** Taken in since an orchestrator was heard: what they are behind at least, should they be silent for good. */
  #unheard = 0;
  readonly #open = new Map<string, { counted: number; since: number }>();

  constructor(private readonly limits: AdmissionLimits) {}

  /** An orchestrator says how far behind it is. */
  heard(owner: string, lag: number, now: number): void {
    if (lag === 0) this.#lags.delete(owner);
    else this.#lags.set(owner, { lag, at: now });
    this.#unheard = 0;
  }

  /** So many runs of a tenant were open a moment ago. */
  counted(tenant: string, open: number): void {
    this.#open.set(tenant, { counted: open, since: 0 });
  }

  /** Events that wait for the orchestrators, as far as known. */
  behind(now: number): number {
    let behind = this.#unheard;
    for (const [owner, { lag, at }] of this.#lags) {
      if (now - at > FORGET_MS) this.#lags.delete(owner);
      else behind += lag;
    }
    return behind;
  }

  /** Takes a submission in (undefined), until {@link leave}; or says why not. */
  enter(tenant: string, now: number): Refusal | undefined {
    const { pending, behind, openRuns } = this.limits;
    if (this.#pending >= pending) return { reason: 'pending', retryAfter: 1 };
    const mine = this.#pendingOf.get(tenant) ?? 0;
    if (mine >= GREED * (pending - this.#pending)) return { reason: 'share', retryAfter: 1 };
    const backlog = this.behind(now);
    if (backlog >= behind)
      return { reason: 'behind', retryAfter: Math.min(LONGEST_RETRY_SECONDS, Math.ceil(backlog / behind)) };
    const open = this.#open.get(tenant);
    if (openRuns > 0 && open && open.counted + open.since >= openRuns)
      return { reason: 'open', retryAfter: OPEN_RETRY_SECONDS };
    this.#pending += 1;
    this.#pendingOf.set(tenant, mine + 1);
    return undefined;
  }

  /** The log has it, or will not have it. */
  leave(tenant: string, stored: boolean): void {
    this.#pending -= 1;
    const mine = (this.#pendingOf.get(tenant) ?? 1) - 1;
    if (mine > 0) this.#pendingOf.set(tenant, mine);
    else this.#pendingOf.delete(tenant);
    if (!stored) return;
    this.#unheard += 1;
    const open = this.#open.get(tenant);
    if (open) open.since += 1;
  }
}
