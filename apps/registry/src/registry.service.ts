import { Injectable, type OnModuleInit } from '@nestjs/common';
import { EventLog, LogClock, reasonOf } from '@flex/events';
import { SchemaCompiler, ServiceContext } from '@flex/events/service';
import { BusEndpoints } from './bus-endpoints.js';
import { HealthKeeper } from './health-keeper.js';
import { Heartbeats } from './heartbeats.js';
import { LiveRegistry } from './live-registry.js';
import { PostgresCatalogue, type RegistryTables } from './postgres-catalogue.js';
import { PresenceWatch } from './presence-watch.js';
import { reconcile } from './reconcile.js';
import { Registrations, type Parts } from './registrations.js';
import type { RegistryConfig } from './registry.config.js';

const STORE_RETRY_MS = 2_000;

/** Wires the registry and gives it its life: migrate, reconcile, watch heartbeats, then answer questions. */
@Injectable()
export class RegistryService implements OnModuleInit {
  readonly #parts: Parts;
  #catchingUp: NodeJS.Timeout | undefined;

  constructor(private readonly service: ServiceContext<RegistryConfig>) {
    const { nc, shape, log: logger } = service;
    const log = new EventLog(nc, 'registry', shape);
    this.#parts = {
      log,
      clock: new LogClock(log),
      live: new LiveRegistry(nc),
      store: new PostgresCatalogue(service.database<RegistryTables>()),
      compiler: new SchemaCompiler(),
      heartbeats: new Heartbeats(nc),
      logger,
    };
  }

  async onModuleInit(): Promise<void> {
    const { live, clock, store, compiler, heartbeats, logger } = this.#parts;
    const { drain, readiness, nc, config } = this.service;
    await Promise.all([store.migrate(), clock.ready]);
    await reconcile(this.#parts);
    const registrations = new Registrations(this.#parts);
    registrations.onStoreBehind = () => this.#catchUpLater();
    const presence = new PresenceWatch(this.#parts, config.settleMs);
    await presence.ready;
    const health = new HealthKeeper(this.#parts);
    const endpoints = new BusEndpoints(nc, registrations, heartbeats, store, logger);
    readiness.add('registry', () => {
      if (!live.mirror.isReady) throw new Error('the live registry was not read yet');
    });
    drain.on('consume', 'questions', () => endpoints.stop());
    drain.on('consume', 'health', () => health.close());
    drain.on('work', 'presence', () => presence.close());
    drain.on('close', 'registry', async () => {
      clearTimeout(this.#catchingUp);
      clock.close();
      live.close();
      await compiler.close();
    });
  }

  /** The store was away for a moment: bring it up to date as soon as it is back. */
  #catchUpLater(): void {
    this.#catchingUp ??= setTimeout(() => {
      this.#catchingUp = undefined;
      reconcile(this.#parts).catch((error: unknown) => {
        this.#parts.logger.debug({ reason: reasonOf(error) }, 'the store is still away');
        this.#catchUpLater();
      });
    }, STORE_RETRY_MS).unref();
  }
}
