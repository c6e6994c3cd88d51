import { setTimeout as delay } from 'node:timers/promises';
import type { NatsConnection } from '@nats-io/nats-core';
import { AckMux, type PubAck } from './ack-mux.js';
import { LogUnavailable } from './errors.js';
import type { HeaderBlock } from './headers.js';
import { ACK_TIMEOUT_MS, GIVE_UP_AFTER_MS, retryDelay } from './retry.js';

/**
 * Publishes until the log has it. Repeats carry the same message id, so that the server keeps one; rejects with
 * {@link LogUnavailable} after a minute (then nobody knows whether it is stored), with AppendRefused when the log says no.
 */
export async function publishUntilStored(
  nc: NatsConnection,
  subject: string,
  headers: HeaderBlock,
  data: Uint8Array,
): Promise<PubAck> {
  const mux = AckMux.of(nc);
  const deadline = performance.now() + GIVE_UP_AFTER_MS;
  for (let attempt = 0; ; attempt += 1) {
    try {
      return await mux.publish(subject, headers.asMsgHdrs(), data, ACK_TIMEOUT_MS);
    } catch (error) {
      if (!(error instanceof LogUnavailable) || nc.isClosed() || performance.now() > deadline) throw error;
      await delay(retryDelay(attempt));
    }
  }
}
