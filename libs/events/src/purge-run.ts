import { partitionToken } from '@flex/contracts';
import { ask } from './ask.js';
import { parseClaim } from './claim-store.js';
import type { EventLog } from './event-log.js';
import { findHeader, Header } from './headers.js';
import { LOG_STREAM } from './names.js';
import { OrderedReader } from './ordered-reader.js';
import { headerBlock } from './stored-message.js';
import { runFilters } from './subject.js';

/**
 * Removes a run from the hot log: first its large payloads, then its events, so that a crash between the two leaves
 * nothing behind that a second call would not find. Says how many events were removed.
 */
export async function purgeRun(log: EventLog, runId: string): Promise<number> {
  const filters = runFilters(partitionToken(log.partitionOf(runId)), runId);
  for (const header of await claimsOf(log, filters)) await log.claims.delete(runId, parseClaim(header));
  const jsm = await log.manager();
  let purged = 0;
  for (const filter of filters) {
    purged += (await ask(log.nc, () => jsm.streams.purge(LOG_STREAM, { filter }))).purged;
  }
  return purged;
}

/** The claims that a run's messages carry; only headers travel. */
async function claimsOf(log: EventLog, filters: string[]): Promise<Set<string>> {
  const claims = new Set<string>();
  let attached!: (pending: number) => void;
  const known = new Promise<number>((resolve) => (attached = resolve));
  const reader = new OrderedReader({
    nc: log.nc,
    stream: LOG_STREAM,
    filters,
    headersOnly: true,
    onAttached: ({ pending }) => attached(pending),
  });
  try {
    for (let left = await known; left > 0;) {
      const batch = await reader.take(512);
      if (!batch) break;
      left = Math.min(left - batch.length, batch.at(-1)?.delivery.pending ?? 0);
      for (const { message } of batch) {
        const claim = findHeader(headerBlock(message), Header.claim);
        if (claim !== '') claims.add(claim);
      }
    }
  } finally {
    reader.close();
  }
  return claims;
}
