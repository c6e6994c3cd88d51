/** A token bucket per tenant: `perSecond` steady, as many again at once. */
export class RateLimit {
  readonly #buckets = new Map<string, { tokens: number; at: number }>();

  constructor(private readonly perSecond: number) {}

  /** Seconds to wait, 0 when the request may pass. `now` in milliseconds. */
  take(tenant: string, now: number): number {
    if (this.perSecond === 0) return 0;
    const bucket = this.#buckets.get(tenant) ?? { tokens: this.perSecond * 2, at: now };
    bucket.tokens = Math.min(this.perSecond * 2, bucket.tokens + ((now - bucket.at) / 1000) * this.perSecond);
    bucket.at = now;
    this.#buckets.set(tenant, bucket);
    if (this.#buckets.size > 10_000) this.#forget(now);
    if (bucket.tokens < 1) return (1 - bucket.tokens) / this.perSecond;
    bucket.tokens -= 1;
    return 0;
  }

  #forget(now: number): void {
    for (const [tenant, bucket] of this.#buckets) if (now - bucket.at > 10_000) this.#buckets.delete(tenant);
  }
}
