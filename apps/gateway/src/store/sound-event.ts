import type { RunEventType } from '@flex/contracts';
import {
  ContractViolation,
  decodeDelivered,
  NewerEvent,
  type Delivered,
  type EventLog,
  type LogEvent,
} from '@flex/events';

/**
 * What was delivered as an event; undefined for what breaks its contract, which lies in the dead letters and is no part
 * of any history. With `keepNewer` what a newer release wrote is given as it is: the archive outlives this one. Any other
 * failure is thrown: who skipped the event then would never see it again.
 */
export async function soundEvent(
  log: EventLog,
  { message, delivery }: Delivered,
  { keepNewer = false } = {},
): Promise<LogEvent<RunEventType> | undefined> {
  try {
    const event: unknown = await decodeDelivered(message, delivery.seq, delivery.time, log.claims);
    return event as LogEvent<RunEventType>;
  } catch (error) {
    if (keepNewer && error instanceof NewerEvent) return error.event as unknown as LogEvent<RunEventType>;
    if (error instanceof ContractViolation) return undefined;
    throw error;
  }
}
