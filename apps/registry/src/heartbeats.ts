import type { NatsConnection } from '@nats-io/nats-core';
import { DEFAULT_TENANT, type Capability } from '@flex/contracts';
import { Bucket, BucketWriter } from '@flex/events';
import { heartbeatKey, heartbeatTimeoutMs, REGISTRATION } from './core/presence.js';

/** Writes heartbeats on behalf of those who can't write the bucket themselves: over HTTP, or by registering. */
export class Heartbeats {
  readonly #writer: BucketWriter;

  constructor(nc: NatsConnection) {
    this.#writer = new BucketWriter(nc, Bucket.heartbeats);
  }

  /** The registration is the first heartbeat, unless the capability sends none. */
  registration(capability: Capability): Promise<void> {
    return this.beat(capability, REGISTRATION);
  }

  async beat(capability: Capability, instance: string = REGISTRATION): Promise<void> {
    const ttlMs = heartbeatTimeoutMs(capability);
    if (ttlMs === undefined) return;
    const key = heartbeatKey(capability.tenant ?? DEFAULT_TENANT, capability.capabilityId, instance);
    await this.#writer.put(key, '', { ttlMs });
  }

  /** The tombstone is kept for a while, so that a registry which is away now still learns of the goodbye. */
  async goodbye(tenant: string, capabilityId: string, instance: string): Promise<void> {
    await this.#writer.remove(heartbeatKey(tenant, capabilityId, instance), { ttlMs: 3_600_000 });
  }
}
