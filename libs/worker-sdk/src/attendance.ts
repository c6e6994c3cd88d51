import { setTimeout as delay } from 'node:timers/promises';
import type { NatsConnection } from '@nats-io/nats-core';
import { DEFAULT_TENANT, Rejection, type Capability, type Facet } from '@flex/contracts';
import {
  Bucket,
  BucketWatch,
  BucketWriter,
  changeOf,
  everyFacetOf,
  facetKey,
  onReconnect,
  reasonOf,
  RegistryClient,
} from '@flex/events';
import type { WorkerLogger } from './logger.js';

const ANSWER_MS = 10_000;
const RETRY_MS = 1_000;
const MISSED_HEARTBEATS = 3;
const GOODBYE_KEPT_MS = 3_600_000;

export interface AttendanceOptions {
  nc: NatsConnection;
  instance: string;
  capabilities: Capability[];
  facets: Facet[];
  logger: WorkerLogger;
}

/** Makes the registry know what this process can do, for as long as it is there, and says goodbye. */
export class Attendance {
  readonly #registry: RegistryClient;
  readonly #beats: BucketWriter;
  readonly #timers: NodeJS.Timeout[] = [];
  readonly #end = new AbortController();
  readonly #offReconnect: () => void;
  #registering: Promise<void> | undefined;

  constructor(private readonly options: AttendanceOptions) {
    this.#registry = new RegistryClient(options.nc, { timeoutMs: ANSWER_MS });
    this.#beats = new BucketWriter(options.nc, Bucket.heartbeats);
    this.#offReconnect = onReconnect(options.nc, () => {
      // The bus may have come back without its data, or after our heartbeats had run out.
      void this.#beatAll();
      this.register().catch((error: unknown) => {
        options.logger.warn({ reason: reasonOf(error) }, 'cannot register again');
      });
    });
    for (const [seconds, capabilities] of byInterval(options.capabilities)) {
      const timer = setInterval(() => void this.#beatAll(capabilities), seconds * 1000);
      timer.unref();
      this.#timers.push(timer);
    }
  }

  /** Resolves when everything is registered; rejects only with the registry's refusal. An absent registry is waited for. */
  register(): Promise<void> {
    this.#registering ??= this.#register().finally(() => (this.#registering = undefined));
    return this.#registering;
  }

  /** The tombstone of a heartbeat says: gone on purpose. */
  async goodbye(): Promise<void> {
    this.#end.abort();
    this.#offReconnect();
    for (const timer of this.#timers) clearInterval(timer);
    const { capabilities, instance, logger } = this.options;
    await Promise.all(
      capabilities.map((capability) => this.#beats.remove(keyOf(capability, instance), { ttlMs: GOODBYE_KEPT_MS })),
    ).catch((error: unknown) => logger.warn({ reason: reasonOf(error) }, 'left without saying goodbye'));
  }

  async #register(): Promise<void> {
    const { capabilities, facets, instance, logger } = this.options;
    for (let waited = false; !this.#end.signal.aborted; waited = true) {
      try {
        // Heartbeats come first: a capability is never active without one.
        await this.#beatAll();
        await this.#registry.publishFacets(await this.#newFacets());
        await Promise.all(capabilities.map((capability) => this.#registry.register(capability, instance)));
        logger.info({ capabilities: capabilities.length, facets: facets.length, worker: instance }, 'registered');
        return;
      } catch (error) {
        if (error instanceof Rejection && error.problem.status < 500) throw error;
        if (!waited) logger.warn({ reason: reasonOf(error) }, 'waiting for the registry');
      }
      await delay(RETRY_MS, undefined, { signal: this.#end.signal }).catch(() => undefined);
    }
  }

  /** A restart never takes back what was published since under a higher version. */
  async #newFacets(): Promise<Facet[]> {
    const { facets, nc } = this.options;
    if (facets.length === 0) return [];
    const live = new Map<string, number>();
    const keys = facets.map(({ tenant = DEFAULT_TENANT, name }) => facetKey(tenant, name));
    await Promise.all(
      tenantsOf(facets).map(async (tenant) => {
        const watch = new BucketWatch({
          nc,
          bucket: Bucket.registry,
          keys: [everyFacetOf(tenant)],
          onEntries: (entries) => {
            for (const entry of entries) {
              const facet = keys.includes(entry.key) ? (changeOf(entry)?.value as Facet | undefined) : undefined;
              if (facet) live.set(entry.key, facet.version ?? 1);
            }
          },
        });
        await watch.ready;
        watch.close();
      }),
    );
    return facets.filter(({ version = 1 }, index) => version >= (live.get(keys[index]!) ?? 0));
  }

  async #beatAll(capabilities: readonly Capability[] = this.options.capabilities): Promise<void> {
    try {
      await Promise.all(
        capabilities.map((capability) =>
          this.#beats.put(keyOf(capability, this.options.instance), '', { ttlMs: timeToLiveMs(capability) }),
        ),
      );
    } catch (error) {
      if (this.#end.signal.aborted) return;
      this.options.logger.warn({ reason: reasonOf(error) }, 'a heartbeat was not heard');
    }
  }
}

const tenantsOf = (entries: readonly { tenant?: string }[]): string[] => [
  ...new Set(entries.map(({ tenant = DEFAULT_TENANT }) => tenant)),
];

const keyOf = ({ tenant = DEFAULT_TENANT, capabilityId }: Capability, instance: string): string =>
  `${tenant}.${capabilityId}.${instance}`;

function timeToLiveMs({ heartbeat }: Capability): number {
  if (!heartbeat) return 15_000;
  return (heartbeat.timeoutSeconds ?? heartbeat.intervalSeconds * MISSED_HEARTBEATS) * 1000;
}

function byInterval(capabilities: Capability[]): Map<number, Capability[]> {
  const groups = new Map<number, Capability[]>();
  for (const capability of capabilities) {
    const seconds = capability.heartbeat?.intervalSeconds ?? 5;
    groups.set(seconds, [...(groups.get(seconds) ?? []), capability]);
  }
  return groups;
}
