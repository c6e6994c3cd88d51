import { jetstreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/nats-core';
import { DEFAULT_TENANT, type Facet, type RegisteredCapability, type RegistrySnapshot } from '@flex/contracts';
import { BucketWatch, type BucketEntry } from './bucket-watch.js';
import { Bucket, kvStream } from './names.js';

/** One entry of the registry that came, changed or went (then without `value`). */
export type RegistryChange =
  | { kind: 'facet'; tenant: string; name: string; revision: number; value?: Facet }
  | { kind: 'capability'; tenant: string; name: string; revision: number; value?: RegisteredCapability };

export const facetKey = (tenant: string, name: string): string => `facet.${tenant}.${name}`;
/**
 * Keys of all facets of a tenant. Workers read by this one filter: NATS permissions bind a reader of one filter to it, and
 * capabilities of others are none of their business.
 */
export const everyFacetOf = (tenant: string): string => `facet.${tenant}.>`;
export const capabilityEntryKey = (tenant: string, capabilityId: string): string => `cap.${tenant}.${capabilityId}`;

const CATCH_UP_MS = 2_000;

class TenantEntries {
  revision = 0;
  readonly facets = new Map<string, Facet>();
  readonly capabilities = new Map<string, RegisteredCapability>();
}

/**
 * The live registry in memory, kept current by watching its bucket. Snapshots are immutable; their identity changes
 * only when something that the tenant can see has changed, so that it may be used as a cache key.
 */
export class RegistryMirror {
  readonly #watch: BucketWatch;
  readonly #tenants = new Map<string, TenantEntries>();
  readonly #snapshots = new Map<string, RegistrySnapshot>();
  readonly #listeners = new Set<(changes: RegistryChange[]) => void>();
  #revision = 0;
  /** A sequence of the bucket that did not come when it was waited for. */
  #missing = 0;

  constructor(private readonly nc: NatsConnection) {
    this.#watch = new BucketWatch({
      nc,
      bucket: Bucket.registry,
      onEntries: (entries) => this.#apply(entries),
    });
  }

  /** Resolves when the mirror holds all that the registry held at the start. */
  get ready(): Promise<void> {
    return this.#watch.ready;
  }

  get isReady(): boolean {
    return this.#watch.isReady;
  }

  /** Sequence of the last change seen, of any tenant. */
  get revision(): number {
    return this.#revision;
  }

  /** What a tenant sees: its own entries before the shared ones of tenant `default`. */
  snapshot(tenant: string = DEFAULT_TENANT): RegistrySnapshot {
    const shared = this.#tenants.get(DEFAULT_TENANT);
    const own = tenant === DEFAULT_TENANT ? undefined : this.#tenants.get(tenant);
    const revision = Math.max(shared?.revision ?? 0, own?.revision ?? 0);
    const cached = this.#snapshots.get(tenant);
    if (cached?.revision === revision) return cached;
    const snapshot: RegistrySnapshot = {
      revision,
      facets: new Map([...(shared?.facets ?? []), ...(own?.facets ?? [])]),
      capabilities: new Map([...(shared?.capabilities ?? []), ...(own?.capabilities ?? [])]),
    };
    this.#snapshots.set(tenant, snapshot);
    return snapshot;
  }

  /** Calls back after changes were applied, with all that came together. Returns a function that ends it. */
  onChange(listener: (changes: RegistryChange[]) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Resolves when the mirror has seen a revision, e.g. the one that a registration returned. */
  async reached(revision: number, signal?: AbortSignal): Promise<void> {
    if (this.#revision >= revision) return;
    signal?.throwIfAborted();
    await new Promise<void>((resolve, reject) => {
      const off = this.onChange(() => {
        if (this.#revision < revision) return;
        off();
        resolve();
      });
      signal?.addEventListener('abort', () => {
        off();
        reject(signal.reason as Error);
      });
    });
  }

  /**
   * Waits until all that was written before now is here; says whether anything came. For whoever is about to say that
   * something does not exist: it may have been published a moment ago, through another replica.
   */
  async catchUp(patienceMs = CATCH_UP_MS): Promise<boolean> {
    const before = this.#revision;
    const jsm = await jetstreamManager(this.nc, { checkAPI: false, timeout: patienceMs });
    const { state } = await jsm.streams.info(kvStream(Bucket.registry));
    if (state.last_seq > this.#missing) {
      await this.reached(state.last_seq, AbortSignal.timeout(patienceMs)).catch(() => {
        // The last message of the bucket is gone, or this mirror is cut off: not everybody has to wait for it.
        this.#missing = state.last_seq;
      });
    }
    return this.#revision > before;
  }

  close(): void {
    this.#watch.close();
  }

  #apply(entries: BucketEntry[]): void {
    const changes = entries.flatMap((entry) => changeOf(entry) ?? []);
    for (const { revision } of entries) this.#revision = Math.max(this.#revision, revision);
    for (const change of changes) {
      const tenant = this.#entriesOf(change.tenant);
      // A bucket that was lost and built again starts at lower sequences: any change makes a new revision.
      tenant.revision = change.revision > tenant.revision ? change.revision : tenant.revision + 1;
      if (change.kind === 'facet') put(tenant.facets, change.name, change.value);
      else put(tenant.capabilities, change.name, change.value);
    }
    if (entries.length > 0) for (const listener of [...this.#listeners]) listener(changes);
  }

  #entriesOf(tenant: string): TenantEntries {
    let entries = this.#tenants.get(tenant);
    if (!entries) this.#tenants.set(tenant, (entries = new TenantEntries()));
    return entries;
  }
}

function put<V>(map: Map<string, V>, key: string, value: V | undefined): void {
  if (value === undefined) map.delete(key);
  else map.set(key, value);
}

/** An entry of the bucket as a change of the registry; what is no entry of ours is ignored. */
export function changeOf(entry: BucketEntry): RegistryChange | undefined {
  const kindEnd = entry.key.indexOf('.');
  const tenantEnd = entry.key.indexOf('.', kindEnd + 1);
  if (kindEnd < 0 || tenantEnd < 0) return undefined;
  const kind = entry.key.slice(0, kindEnd);
  const tenant = entry.key.slice(kindEnd + 1, tenantEnd);
  const name = entry.key.slice(tenantEnd + 1);
  const { revision } = entry;
  if (kind === 'facet') return { kind, tenant, name, revision, value: parse<Facet>(entry.value) };
  if (kind !== 'cap') return undefined;
  return { kind: 'capability', tenant, name, revision, value: parse<RegisteredCapability>(entry.value) };
}

function parse<T>(value: Uint8Array | undefined): T | undefined {
  if (!value) return undefined;
  try {
    return JSON.parse(Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('utf8')) as T;
  } catch {
    return undefined;
  }
}
