import { DEFAULT_TENANT, type Facet, type RegisteredCapability } from '@flex/contracts';
import { capabilityEntryKey, facetKey, lastAnnouncements, type EventLog } from '@flex/events';
import type { Logger } from '@flex/events/service';
import type { Entry, LiveRegistry } from './live-registry.js';
import type { PostgresCatalogue, Stored } from './postgres-catalogue.js';

interface Reconciling {
  log: EventLog;
  live: LiveRegistry;
  store: PostgresCatalogue;
  logger: Logger;
}

export interface Reconciled {
  /** Entries put back into the live bucket, and where they came from. */
  revived: number;
  from: 'store' | 'announcements' | undefined;
  /** Entries written to the store. */
  stored: number;
}

/**
 * Brings the live bucket, the store and the announcements together when a registry starts. The live bucket is the
 * truth while it has anything; a bucket that was lost is made again from the store, and when that was lost too, from
 * what was announced. Safe when replicas do it at the same time.
 */
export async function reconcile({ log, live, store, logger }: Reconciling): Promise<Reconciled> {
  await live.mirror.ready;
  await live.catchUp();
  const [facets, capabilities] = await Promise.all([store.facets(), store.capabilities()]);
  const inStore = new Map<string, Stored<Entry>>([
    ...facets.map((stored): [string, Stored<Entry>] => [keyOfFacet(stored.value), stored]),
    ...capabilities.map((stored): [string, Stored<Entry>] => [keyOfCapability(stored.value), stored]),
  ]);
  let from: Reconciled['from'];
  let revived = await revive(
    live,
    [...inStore].map(([key, { value }]): [string, Entry] => [key, value]),
  );
  if (revived > 0) from = 'store';
  if (live.entries().size === 0) {
    revived = await revive(live, await announced(log));
    if (revived > 0) from = 'announcements';
  }
  const stored = await follow(live, store, inStore);
  if (revived + stored > 0) logger.info({ revived, from, stored }, 'reconciled the catalogue');
  return { revived, from, stored };
}

/** Puts back what the live bucket never heard of; what was removed there (a tombstone) stays removed. */
async function revive(live: LiveRegistry, entries: [string, Entry][]): Promise<number> {
  let revived = 0;
  const missing = entries.filter(([key]) => !live.get(key));
  for (let from = 0; from < missing.length; from += 256) {
    const results = await Promise.all(
      missing
        .slice(from, from + 256)
        .map(([key, value]) => live.change(key, (current) => (current ? undefined : value))),
    );
    revived += results.filter(({ written }) => written).length;
  }
  return revived;
}

/** Writes to the store what it lacks or has in another state, and removes what was removed. */
async function follow(
  live: LiveRegistry,
  store: PostgresCatalogue,
  inStore: Map<string, Stored<Entry>>,
): Promise<number> {
  const bucket = await live.bucketId();
  const facets: Stored<Facet>[] = [];
  const capabilities: Stored<RegisteredCapability>[] = [];
  let stored = 0;
  for (const [key, { revision, value }] of live.entries()) {
    const there = inStore.get(key);
    if (!value) {
      if (!there || !('capabilityId' in there.value)) continue;
      await store.removeCapability(there.value.tenant ?? DEFAULT_TENANT, there.value.capabilityId);
      stored += 1;
    } else if (!there || there.bucket !== bucket || there.revision < revision) {
      if ('capabilityId' in value) capabilities.push({ value, bucket, revision });
      else facets.push({ value, bucket, revision });
      stored += 1;
    }
  }
  await store.saveFacets(facets);
  await store.saveCapabilities(capabilities);
  return stored;
}

/** The registry according to stream REGISTRY. Who was lost meanwhile is found out by the heartbeats. */
async function announced(log: EventLog): Promise<[string, Entry][]> {
  const entries = new Map<string, Entry>();
  for (const { type, tenant, name, data } of await lastAnnouncements(log)) {
    if (type === 'facet.published') {
      entries.set(facetKey(tenant, name), (data as { facet: Facet }).facet);
    } else if (type === 'capability.registered') {
      const { capability } = data as { capability: RegisteredCapability };
      entries.set(capabilityEntryKey(tenant, name), { ...capability, tenant, status: 'active' });
    } else if (type === 'capability.deregistered') {
      const known = entries.get(capabilityEntryKey(tenant, name)) as RegisteredCapability | undefined;
      // A capability that sends heartbeats said goodbye and may come back; any other was removed.
      if (!known?.heartbeat) entries.delete(capabilityEntryKey(tenant, name));
      else known.status = 'inactive';
    }
  }
  return [...entries];
}

const keyOfFacet = ({ tenant, name }: Facet): string => facetKey(tenant ?? DEFAULT_TENANT, name);
const keyOfCapability = ({ tenant, capabilityId }: RegisteredCapability): string =>
  capabilityEntryKey(tenant ?? DEFAULT_TENANT, capabilityId);
