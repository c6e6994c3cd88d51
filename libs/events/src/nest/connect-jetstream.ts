import type { INestApplication } from '@nestjs/common';
import type { MicroserviceOptions } from '@nestjs/microservices';
import type { EventLog } from '../event-log.js';
import type { ServiceContext } from '../service/context.js';
import { JetStreamStrategy, RethrowFilter, type JetStreamStrategyOptions } from './jetstream-strategy.js';

/**
 * Gives a service's application its event handlers: `@EventPattern(…, JETSTREAM)` methods are called from when the application
 * has started, failures are logged, and when the service ends nothing new is taken while the handlers finish.
 */
export function connectJetStream(
  app: INestApplication,
  service: ServiceContext,
  log: EventLog,
  options: Pick<JetStreamStrategyOptions, 'defaults' | 'patienceMs'> = {},
): void {
  const strategy = new JetStreamStrategy({
    log,
    service: service.name,
    ...options,
    onFailure: (reason, { subject, seq, attempt, buried }) =>
      service.log[buried ? 'error' : 'warn']({ reason, subject, seq, attempt, buried }, 'handling an event failed'),
  });
  // Deferred: a filter that comes after the handlers were registered would not be theirs.
  app
    .connectMicroservice<MicroserviceOptions>({ strategy }, { deferInitialization: true })
    .useGlobalFilters(new RethrowFilter());
  service.drain.on('consume', 'event handlers', () => strategy.close());
}
