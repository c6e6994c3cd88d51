import { setTimeout as delay } from 'node:timers/promises';
import type { NatsConnection } from '@nats-io/nats-core';
import { onReconnect } from './connection-events.js';
import { LogUnavailable } from './errors.js';
import { GIVE_UP_AFTER_MS, retryDelay } from './retry.js';

/**
 * Asks the server something that may be asked twice, until it answers. A question that was under way when the
 * connection broke is repeated as soon as it is back, not when its timeout ends. Errors that are answers are thrown.
 */
export async function ask<T>(
  nc: NatsConnection,
  question: () => Promise<T>,
  giveUpAfterMs = GIVE_UP_AFTER_MS,
): Promise<T> {
  const deadline = performance.now() + giveUpAfterMs;
  for (let attempt = 0; ; attempt += 1) {
    try {
      return await unlessReconnected(nc, question());
    } catch (error) {
      if (!isSilence(error)) throw error;
      if (nc.isClosed() || performance.now() > deadline)
        throw new LogUnavailable('the log did not answer', { cause: error });
      await delay(retryDelay(attempt));
    }
  }
}

/** The errors that mean: no answer. Everything else was said by the server. */
export function isSilence(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  if (error instanceof LogUnavailable || SILENT.has(error.name)) return true;
  const { code, cause, status } = error as { code?: unknown; cause?: unknown; status?: unknown };
  return code === 503 || status === 503 || UNSETTLED.has(Number(code)) || (cause !== undefined && isSilence(cause));
}

const SILENT = new Set(['TimeoutError', 'NoResponders', 'ConnectionError', 'JetStreamNotEnabled']);
/**
 * JetStream has no leader or is not ready yet: 10005 (peers that are still joining), 10008, 10023 (insufficient resources
 * while starting), 10118.
 */
const UNSETTLED = new Set([10005, 10008, 10023, 10118]);

async function unlessReconnected<T>(nc: NatsConnection, answer: Promise<T>): Promise<T> {
  let off = (): void => undefined;
  const lost = new Promise<never>((_, reject) => {
    off = onReconnect(nc, () => reject(new LogUnavailable('the connection to NATS was lost')));
  });
  try {
    return await Promise.race([answer, lost]);
  } finally {
    off();
    // Whichever lost the race may still reject; nobody waits for it any more.
    answer.catch(() => undefined);
  }
}
