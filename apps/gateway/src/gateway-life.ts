import { migrate } from '@flex/events/postgres';
import { reasonOf } from '@flex/events';
import type { ServiceContext } from '@flex/events/service';
import type { RunRow } from './core/run-row.js';
import type { GatewayConfig } from './gateway-config.js';
import type { GatewayParts } from './gateway-parts.js';
import { ThreadQueue } from './runs/thread-queue.js';
import { migrations, SCHEMA } from './store/gateway-schema.js';
import { PostgresProjector } from './store/postgres-projector.js';

const CLEANING_MS = 600_000;

/** What goes on in a gateway besides answering: projections, archiving, and ending in order. */
export async function startGatewayLife(service: ServiceContext<GatewayConfig>, parts: GatewayParts): Promise<void> {
  const { drain, readiness, log: logger, config } = service;
  await migrate(parts.db, SCHEMA, migrations);
  await Promise.all([parts.mirror.ready, parts.clock.ready, parts.feeds.attach()]);
  const queue = new ThreadQueue(parts.log, parts.db, parts.deletion, logger);
  const onCommitted = (rows?: RunRow[]): void => void queue.afterCommit(rows);
  const projector = new PostgresProjector(parts.log, parts.db, parts.archivist, logger, drain.signal, onCommitted);
  const projecting = projector.run();
  const archiving = parts.archivist.run(() => projector.leading, drain.signal);
  const cleaning = setInterval(() => {
    parts.idempotency.clean().catch((error: unknown) => logger.warn({ reason: reasonOf(error) }, 'cleaning failed'));
  }, CLEANING_MS);
  cleaning.unref();
  readiness.add('registry mirror', () => {
    if (!parts.mirror.isReady) throw new Error('the live registry is not read yet');
  });
  drain.on('accept', 'streams', () => parts.gate.close());
  drain.on('consume', 'projection', () => Promise.all([projecting, archiving]));
  drain.on('close', 'feeds', () => {
    clearInterval(cleaning);
    parts.clock.close();
    parts.feeds.close();
    parts.mirror.close();
    void parts.compiler.close();
  });
  if (config.retentionSeconds === 0) logger.info('ended runs leave the log at once');
}
