import type { NatsConnection } from '@nats-io/nats-core';
import type { Kysely } from 'kysely';
import { setTimeout as delay } from 'node:timers/promises';
import { connectNats } from '../connect.js';
import { reasonOf, UnsuitableServer } from '../errors.js';
import { connectPostgres, waitForPostgres } from '../postgres/connect-postgres.js';
import { ensureStreams, type LogShape } from '../streams.js';
import { DatabaseConfig, type ServiceConfig } from './configuration.js';
import type { Logger } from './logger.js';
import type { Readiness } from './readiness.js';

export interface Connections {
  nc: NatsConnection;
  shape: LogShape;
  store: Kysely<unknown> | undefined;
  /** NATS is drained first, so that acks still in flight are sent. */
  close(): Promise<void>;
}

const RETRY_MS = 500;
const REPEAT_NOTICE_MS = 15_000;

/**
 * Connects to NATS and Postgres and waits for whichever is not there yet, saying so once in a while. A NATS server that
 * no waiting makes suitable (too old, no JetStream) is an error at once.
 */
export async function connectAll(
  name: string,
  config: ServiceConfig,
  log: Logger,
  readiness: Readiness,
  signal?: AbortSignal,
): Promise<Connections> {
  const waiting = { log, signal: signal ?? new AbortController().signal };
  const nc = await persist('NATS', waiting, () =>
    connectNats({
      url: config.natsUrl,
      name: `flex-${name}`,
      user: config.natsUser,
      pass: config.natsPassword,
      creds: config.natsCreds,
      // The users that we configure may hear their own replies only.
      inboxPrefix: config.natsInboxPrefix ?? (config.natsUser ? `_INBOX_${config.natsUser}` : undefined),
    }),
  );
  let store: Kysely<unknown> | undefined;
  try {
    watchStatus(nc, log);
    readiness.add('nats', () => {
      if (!connected.get(nc)) throw new Error('not connected');
    });
    const shape = await persist('JetStream', waiting, () =>
      ensureStreams(nc, { partitions: config.partitions, replicas: config.replicas }),
    );
    if (shape.warning) log.warn(shape.warning);
    if (config instanceof DatabaseConfig) {
      const db = connectPostgres<unknown>(config.databaseUrl, {
        max: config.databasePool,
        name: `flex-${name}`,
        onError: (error) => log.warn({ reason: reasonOf(error) }, 'lost a connection to Postgres'),
      });
      store = db;
      await persist('Postgres', waiting, () => waitForPostgres(db));
      readiness.add('postgres', () => waitForPostgres(db));
    }
    return { nc, shape, store, close: () => closeAll(nc, store) };
  } catch (error) {
    await closeAll(nc, store);
    throw error;
  }
}

async function closeAll(nc: NatsConnection, store: Kysely<unknown> | undefined): Promise<void> {
  if (!nc.isClosed()) await nc.drain().catch(() => nc.close());
  await store?.destroy();
}

interface Waiting {
  log: Logger;
  signal: AbortSignal;
}

async function persist<T>(what: string, { log, signal }: Waiting, attempt: () => Promise<T>): Promise<T> {
  let noticed = Number.NEGATIVE_INFINITY;
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      // A fault with a cause is one of reaching the server, which passes; without one it is the server's nature.
      if (error instanceof UnsuitableServer && error.cause === undefined) throw error;
      if (Date.now() - noticed > REPEAT_NOTICE_MS) {
        noticed = Date.now();
        log.warn({ reason: reasonOf(error) }, `waiting for ${what}`);
      }
    }
    await delay(RETRY_MS, undefined, { signal });
  }
}

const connected = new WeakMap<NatsConnection, boolean>();

function watchStatus(nc: NatsConnection, log: Logger): void {
  connected.set(nc, true);
  void (async () => {
    for await (const status of nc.status()) {
      if (status.type === 'disconnect') {
        connected.set(nc, false);
        log.warn('lost the connection to NATS');
      } else if (status.type === 'reconnect') {
        connected.set(nc, true);
        log.info('connected to NATS again');
      } else if (status.type === 'error') {
        log.warn({ reason: reasonOf(status.error) }, 'NATS reports an error');
      }
    }
    connected.set(nc, false);
  })();
}
