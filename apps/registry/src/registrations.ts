import { createHash } from 'node:crypto';
import {
  DEFAULT_TENANT,
  Rejection,
  type Capability,
  type Facet,
  type RegisteredCapability,
  type ValidationIssue,
} from '@flex/contracts';
import { announce, capabilityEntryKey, facetKey, reasonOf, type EventLog, type LogClock } from '@flex/events';
import type { Logger, SchemaCompiler } from '@flex/events/service';
import { capabilityFaults } from './core/capability-rules.js';
import { withIncoming, type FacetLookup } from './core/catalogue-view.js';
import { contractFaults, facetFaults } from './core/facet-rules.js';
import { nextCapability, nextFacet, staleVersion } from './core/upsert.js';
import type { Heartbeats } from './heartbeats.js';
import type { LiveRegistry } from './live-registry.js';
import type { PostgresCatalogue, Stored } from './postgres-catalogue.js';

export interface Parts {
  log: EventLog;
  clock: LogClock;
  live: LiveRegistry;
  store: PostgresCatalogue;
  compiler: SchemaCompiler;
  heartbeats: Heartbeats;
  logger: Logger;
}

export interface Outcome {
  revision: number;
  facets: number;
  capabilities: number;
  unchanged: number;
}

/** Where the entries stood in what was sent, for pointers. */
export interface Origin {
  facet: (index: number) => string;
  capability: (index: number) => string;
}

const IN_FLIGHT = 256;
const FAULTS_SHOWN = 100;

/** Takes facets and capabilities into the registry: all of a request or none. */
export class Registrations {
  constructor(private readonly parts: Parts) {}

  /** `instance`: who sends the heartbeats; without it the registration counts as the first one. */
  async register(facets: Facet[], capabilities: Capability[], origin: Origin, instance?: string): Promise<Outcome> {
    await this.#check(facets, capabilities, origin);
    const outcome: Outcome = { revision: 0, facets: 0, capabilities: 0, unchanged: 0 };
    const bucket = await this.parts.live.bucketId();
    const newFacets: Stored<Facet>[] = [];
    const newCapabilities: Stored<RegisteredCapability>[] = [];
    await together(facets, async (facet) => {
      const { revision, value, written } = await this.#putFacet(facet);
      outcome.revision = Math.max(outcome.revision, revision);
      if (!written) outcome.unchanged += 1;
      else if (value) newFacets.push({ value, bucket, revision });
      outcome.facets += 1;
    });
    await together(capabilities, async (capability) => {
      // The heartbeat comes first: a capability is never seen active without one.
      if (!instance) await this.parts.heartbeats.registration(capability);
      const { revision, value, written } = await this.#putCapability(capability);
      outcome.revision = Math.max(outcome.revision, revision);
      if (!written) outcome.unchanged += 1;
      else if (value) newCapabilities.push({ value, bucket, revision });
      outcome.capabilities += 1;
    });
    await this.#save(newFacets, newCapabilities);
    await this.parts.live.mirror.reached(outcome.revision, AbortSignal.timeout(5_000)).catch(() => undefined);
    return outcome;
  }

  /** Takes a capability out of the registry for good. */
  async remove(tenant: string, capabilityId: string): Promise<number> {
    const key = capabilityEntryKey(tenant, capabilityId);
    const known = this.parts.live.get(key);
    if (!known?.value) throw notRegistered(capabilityId);
    const data = { capabilityId, tenant };
    const id = `capability.deregistered.${tenant}.${capabilityId}.${known.revision}`;
    await announce(this.parts.log, { type: 'capability.deregistered', tenant, name: capabilityId, id, data });
    const revision = await this.parts.live.remove(key);
    await this.parts.store.removeCapability(tenant, capabilityId).catch((error: unknown) => {
      // The tombstone in the live bucket says so too; reconciling takes it over.
      this.parts.logger.warn(
        { capabilityId, reason: reasonOf(error) },
        'cannot remove a capability from the store now',
      );
    });
    return revision;
  }

  /** The version of a facet that is live now. */
  versionOf(facet: Facet): number | undefined {
    const known = this.parts.live.get(facetKey(tenantOf(facet), facet.name))?.value as Facet | undefined;
    return known?.version;
  }

  /** An instance counts as there from now on for as long as the capability's heartbeat allows. */
  async heartbeat(tenant: string, capabilityId: string, instance?: string): Promise<number> {
    const known = this.parts.live.get(capabilityEntryKey(tenant, capabilityId));
    if (!known?.value) throw notRegistered(capabilityId);
    await this.parts.heartbeats.beat(known.value as RegisteredCapability, instance);
    return known.revision;
  }

  async #check(facets: Facet[], capabilities: Capability[], origin: Origin): Promise<void> {
    let faults = await this.#faults(facets, capabilities, origin);
    if (faults.some(({ keyword }) => keyword === 'facetNotFound' || keyword === 'extends')) {
      // Another replica may have taken the facet a moment ago.
      await this.parts.live.catchUp();
      faults = await this.#faults(facets, capabilities, origin);
    }
    if (faults.length === 0) return;
    throw new Rejection({
      title: 'The registry refuses this',
      status: 422,
      code: facets.length > 0 && capabilities.length === 0 ? 'invalid_facet' : 'invalid_capability',
      detail: `${faults[0]?.pointer || '/'} ${faults[0]?.message}${faults.length > 1 ? ` (and ${faults.length - 1} more)` : ''}`,
      errors: faults.slice(0, FAULTS_SHOWN),
    });
  }

  async #faults(facets: Facet[], capabilities: Capability[], origin: Origin): Promise<ValidationIssue[]> {
    const faults: ValidationIssue[] = [];
    const seen = new Set<string>();
    const views = new Map<string, FacetLookup>();
    const viewOf = (entry: unknown): FacetLookup => {
      const tenant = tenantOf(entry);
      let view = views.get(tenant);
      if (!view) {
        const incoming = facets.filter((facet) => [DEFAULT_TENANT, tenant].includes(tenantOf(facet)));
        views.set(tenant, (view = withIncoming(this.parts.live.mirror.snapshot(tenant).facets, incoming)));
      }
      return view;
    };
    const add = (at: string, found: ValidationIssue[], key: string): void => {
      if (seen.has(key)) found = [{ pointer: '', message: 'is in this request twice', keyword: 'unique' }, ...found];
      seen.add(key);
      for (const fault of found) faults.push({ ...fault, pointer: at + fault.pointer });
    };
    for (const [index, facet] of facets.entries()) {
      const found = facetFaults(facet, viewOf(facet));
      if (found.length === 0) {
        const schema = await this.parts.compiler.faults(facet.schema);
        found.push(...schema.map((fault) => ({ ...fault, pointer: `/schema${fault.pointer}`, facet: facet.name })));
        if (found.length === 0) found.push(...contractFaults(facet, viewOf(facet)));
        const live = this.parts.live.get(facetKey(tenantOf(facet), facet.name))?.value as Facet | undefined;
        found.push(...staleVersion(live, facet));
      }
      add(origin.facet(index), found, `facet.${tenantOf(facet)}.${facet?.name}`);
    }
    for (const [index, capability] of capabilities.entries()) {
      const found = capabilityFaults(capability, viewOf(capability));
      add(origin.capability(index), found, `cap.${tenantOf(capability)}.${capability?.capabilityId}`);
    }
    return faults;
  }

  async #putFacet(facet: Facet) {
    const tenant = tenantOf(facet);
    const { name } = facet;
    return this.parts.live.change<Facet>(facetKey(tenant, name), async (current) => {
      const next = nextFacet(current, facet);
      if (!next) return undefined;
      const id = `facet.published.${tenant}.${name}.${next.version}.${digest(next)}`;
      await announce(this.parts.log, { type: 'facet.published', tenant, name, id, data: { facet: next } });
      return next;
    });
  }

  async #putCapability(capability: Capability) {
    const tenant = tenantOf(capability);
    const { capabilityId } = capability;
    const key = capabilityEntryKey(tenant, capabilityId);
    return this.parts.live.change<RegisteredCapability>(key, async (current, revision) => {
      const next = nextCapability(current, capability);
      if (!next) return undefined;
      const id = `capability.registered.${tenant}.${capabilityId}.${revision}.${digest(next)}`;
      const data = { capability: { ...capability, tenant } };
      await announce(this.parts.log, { type: 'capability.registered', tenant, name: capabilityId, id, data });
      return next;
    });
  }

  /** The log and the live bucket have it already: a store that is away catches up later and refuses nobody now. */
  async #save(facets: Stored<Facet>[], capabilities: Stored<RegisteredCapability>[]): Promise<void> {
    try {
      await this.parts.store.saveFacets(facets);
      await this.parts.store.saveCapabilities(capabilities);
    } catch (error) {
      this.parts.logger.warn({ reason: reasonOf(error) }, 'the store cannot follow now');
      this.onStoreBehind?.();
    }
  }

  /** Called when an entry could not be stored. */
  onStoreBehind?: () => void;
}

const notRegistered = (capabilityId: string): Rejection =>
  new Rejection({
    title: 'Capability not registered',
    status: 404,
    code: 'not_found',
    detail: `capability "${capabilityId}" is not registered`,
  });

const tenantOf = (entry: unknown): string => {
  const tenant = (entry as { tenant?: unknown } | null)?.tenant;
  return typeof tenant === 'string' && tenant !== '' ? tenant : DEFAULT_TENANT;
};

const digest = (value: unknown): string =>
  createHash('sha256').update(JSON.stringify(value)).digest('hex').slice(0, 12);

async function together<T>(items: T[], run: (item: T) => Promise<void>): Promise<void> {
  let next = 0;
  const lane = async (): Promise<void> => {
    for (let item = items[next++]; item !== undefined; item = items[next++]) await run(item);
  };
  await Promise.all(Array.from({ length: Math.min(IN_FLIGHT, items.length) }, lane));
}
