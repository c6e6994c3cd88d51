export interface RetryLimits {
  maxRetries: number;
  baseMs: number;
  maxMs: number;
}

/**
 * How long to wait before the next call of a model, or undefined when there shall be none: retries are used up, or the
 * server wants a longer pause than the time that is left. `jitter` is in [0, 1).
 */
export function retryDelay(
  retry: number,
  retryAfterMs: number | undefined,
  leftMs: number,
  limits: RetryLimits,
  jitter: number,
): number | undefined {
  if (retry >= limits.maxRetries) return undefined;
  const backoff = Math.min(limits.maxMs, limits.baseMs * 2 ** retry) * (0.75 + jitter / 2);
  // What the server asks for is a lower bound: to come earlier only costs another refusal.
  const delay = Math.max(backoff, retryAfterMs ?? 0);
  return delay < leftMs ? delay : undefined;
}
