import type { NatsConnection } from '@nats-io/nats-core';
import type { Kysely } from 'kysely';
import type { LogShape } from '../streams.js';
import type { ServiceConfig } from './configuration.js';
import type { Drain } from './drain.js';
import type { Logger } from './logger.js';
import type { Readiness } from './readiness.js';

/**
 * What a running service stands on. Injected as itself (`constructor(private readonly service: ServiceContext)`);
 * NATS and Postgres are connected, streams and buckets exist.
 */
export class ServiceContext<C extends ServiceConfig = ServiceConfig> {
  constructor(
    readonly name: string,
    readonly instance: string,
    readonly config: C,
    readonly log: Logger,
    readonly readiness: Readiness,
    readonly drain: Drain,
    readonly nc: NatsConnection,
    readonly shape: LogShape,
    private readonly store: Kysely<unknown> | undefined,
  ) {}

  /** The Postgres pool of the service; its configuration must extend DatabaseConfig. */
  database<DB>(): Kysely<DB> {
    if (!this.store) throw new Error(`service ${this.name} has no database: its configuration needs DatabaseConfig`);
    return this.store as unknown as Kysely<DB>;
  }
}
