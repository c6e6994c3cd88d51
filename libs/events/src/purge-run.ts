import { partitionToken } from '@flex/contracts';
import { ask } from './ask.js';
import type { EventLog } from './event-log.js';
import { LOG_STREAM } from './names.js';
import { runFilters } from './subject.js';

/**
 * Removes a run from the hot log: first its large payloads, then its events, so that a crash between the two leaves
 * nothing behind that a second call would not find. Says how many events were removed. With `before` whatever event lies
 * from that sequence on stays.
 */
export async function purgeRun(log: EventLog, runId: string, before?: number): Promise<number> {
  await log.claims.deleteOf(runId);
  const jsm = await log.manager();
  let purged = 0;
  for (const filter of runFilters(partitionToken(log.partitionOf(runId)), runId)) {
    purged += (
      await ask(log.nc, () =>
        jsm.streams.purge(LOG_STREAM, before === undefined ? { filter } : { filter, seq: before }),
      )
    ).purged;
  }
  return purged;
}
