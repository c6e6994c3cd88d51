/** What to do with a delivered message after its handler failed, or before it is tried at all. */
export type Verdict = { act: 'run' } | { act: 'again'; delayMs: number } | { act: 'bury'; reason: string };

export const DEFAULT_MAX_DELIVER = 8;
export const DEFAULT_BACKOFF_MS: readonly number[] = [100, 500, 2_000, 5_000, 15_000, 30_000];

/**
 * Before the handler runs. A message that was delivered more often than allowed was never settled: its handler takes
 * the process down with it each time, so it is put aside without another try.
 */
export function beforeTry(attempt: number, maxDeliver: number): Verdict {
  if (attempt <= maxDeliver) return { act: 'run' };
  return { act: 'bury', reason: `delivered ${attempt - 1} times without an outcome` };
}

/** After the handler failed: a broken contract is final, anything else is tried again, later each time. */
export function afterFailure(
  failure: { violation: boolean; reason: string },
  attempt: number,
  maxDeliver: number,
  backoffMs: readonly number[],
): Verdict {
  if (failure.violation) return { act: 'bury', reason: failure.reason };
  if (attempt >= maxDeliver) return { act: 'bury', reason: `failed ${attempt} times, at last: ${failure.reason}` };
  return { act: 'again', delayMs: backoffMs[Math.min(attempt - 1, backoffMs.length - 1)] ?? 0 };
}
