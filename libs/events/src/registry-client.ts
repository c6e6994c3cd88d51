import type { Msg, NatsConnection } from '@nats-io/nats-core';
import { DEFAULT_TENANT, Rejection, type Capability, type Facet, type Problem } from '@flex/contracts';
import { ask } from './ask.js';
import { LogUnavailable } from './errors.js';
import { REGISTRY_QUESTIONS } from './names.js';

/** Bus subjects of the registry's questions; JSON both ways, a refusal is `{problem}`. */
export const registryQuestions = [
  'publishFacet',
  'publishFacets',
  'register',
  'registerMany',
  'deregister',
  'heartbeat',
  'facetVersions',
] as const;
export type RegistryQuestion = (typeof registryQuestions)[number];
/**
 * The subject names the tenant that is meant and, in a question about one capability, that one too: so permissions can
 * bind a program to its tenant, or to its own capabilities.
 */
export const registryQuestionSubject = (question: RegistryQuestion, tenant: string, capabilityId?: string): string =>
  `${REGISTRY_QUESTIONS}.${question}.${tenant}${capabilityId === undefined ? '' : `.${capabilityId}`}`;

export interface Registered {
  /** Revision of the live registry that holds it; wait for it with `RegistryMirror.reached`. */
  revision: number;
  /** Nothing had to be written: it was there just so. */
  unchanged?: boolean;
}

export interface RegisteredMany {
  revision: number;
  facets: number;
  capabilities: number;
  unchanged: number;
}

export interface FacetVersion {
  version: number;
  publishedAt: string;
  facet: Facet;
}

export interface RegistryClientOptions {
  /** For an answer; a registry that is starting is waited for within it. */
  timeoutMs?: number;
}

/** Chunks stay well below the server's limit of 1 MB for a message. */
const CHUNK_BYTES = 480 * 1024;

/** Asks the registry. Every method rejects with {@link Rejection} when it says no, LogUnavailable when nobody answers. */
export class RegistryClient {
  readonly #timeoutMs: number;

  constructor(
    private readonly nc: NatsConnection,
    options: RegistryClientOptions = {},
  ) {
    this.#timeoutMs = options.timeoutMs ?? 20_000;
  }

  publishFacet(facet: Facet): Promise<Registered & { version: number }> {
    return this.#ask('publishFacet', facet.tenant, { facet });
  }

  /** `instance`: who will send the heartbeats; without it the registration itself counts as the first one. */
  register(capability: Capability, instance?: string): Promise<Registered> {
    const body = { capability, ...(instance ? { instance } : {}) };
    return this.#ask('register', capability.tenant, body, capability.capabilityId);
  }

  /** With `instance` that one says goodbye; without, the capability is removed. */
  deregister(capabilityId: string, tenant: string = DEFAULT_TENANT, instance?: string): Promise<Registered> {
    const body = { tenant, capabilityId, ...(instance ? { instance } : {}) };
    return this.#ask('deregister', tenant, body, capabilityId);
  }

  heartbeat(capabilityId: string, tenant: string = DEFAULT_TENANT, instance?: string): Promise<Registered> {
    const body = { tenant, capabilityId, ...(instance ? { instance } : {}) };
    return this.#ask('heartbeat', tenant, body, capabilityId);
  }

  async facetVersions(name: string, tenant: string = DEFAULT_TENANT): Promise<FacetVersion[]> {
    return (await this.#ask<{ versions: FacetVersion[] }>('facetVersions', tenant, { tenant, name })).versions;
  }

  /** Publishes facets that may build on each other, in any order; otherwise as {@link registerMany}. */
  async publishFacets(facets: Facet[]): Promise<void> {
    for (const { from, items } of chunks(facets)) {
      await this.#ask('publishFacets', items[0]?.tenant, { facets: items }).catch((error: unknown) => {
        throw shifted(error, 'facets', from);
      });
    }
  }

  /**
   * Registers any number in requests of half a megabyte, facets first. Each request is taken whole or refused whole;
   * pointers of a refusal are into the arrays given here.
   */
  async registerMany(
    entries: { facets?: Facet[]; capabilities?: Capability[] },
    instance?: string,
  ): Promise<RegisteredMany> {
    const total: RegisteredMany = { revision: 0, facets: 0, capabilities: 0, unchanged: 0 };
    for (const kind of ['facets', 'capabilities'] as const) {
      for (const { from, items } of chunks<Facet | Capability>(entries[kind] ?? [])) {
        const answer = await this.#ask<RegisteredMany>('registerMany', items[0]?.tenant, {
          [kind]: items,
          instance,
        }).catch((error: unknown) => {
          throw shifted(error, kind, from);
        });
        total.revision = Math.max(total.revision, answer.revision);
        total.facets += answer.facets;
        total.capabilities += answer.capabilities;
        total.unchanged += answer.unchanged;
      }
    }
    return total;
  }

  async #ask<T>(
    question: RegistryQuestion,
    tenant: string | undefined,
    body: unknown,
    capabilityId?: string,
  ): Promise<T> {
    const bytes = Buffer.from(JSON.stringify(body));
    const timeout = this.#timeoutMs;
    const subject = registryQuestionSubject(question, tenant ?? DEFAULT_TENANT, capabilityId);
    let reply: Msg;
    try {
      // A registry that is starting, or a connection that breaks meanwhile, is waited for: every question may be repeated.
      reply = await ask(this.nc, () => this.nc.request(subject, bytes, { timeout }), timeout);
    } catch (error) {
      throw new LogUnavailable('the registry does not answer', { cause: error });
    }
    const answer = JSON.parse(Buffer.from(reply.data).toString('utf8')) as { problem?: Problem } & T;
    if (answer.problem) throw new Rejection(answer.problem);
    return answer;
  }
}

/** A chunk is of one tenant. */
function* chunks<T extends { tenant?: string }>(all: T[]): Generator<{ from: number; items: T[] }> {
  let from = 0;
  let bytes = 0;
  for (let index = 0; index < all.length; index += 1) {
    const size = Buffer.byteLength(JSON.stringify(all[index])) + 1;
    const another = bytes > 0 && all[index]?.tenant !== all[from]?.tenant;
    if (another || (bytes > 0 && bytes + size > CHUNK_BYTES)) {
      yield { from, items: all.slice(from, index) };
      from = index;
      bytes = 0;
    }
    bytes += size;
  }
  if (from < all.length) yield { from, items: all.slice(from) };
}

function shifted(error: unknown, kind: string, from: number): unknown {
  if (!(error instanceof Rejection) || from === 0) return error;
  const prefix = new RegExp(`^/${kind}/(\\d+)`);
  const errors = error.problem.errors?.map((issue) => ({
    ...issue,
    pointer: issue.pointer.replace(prefix, (_, index: string) => `/${kind}/${Number(index) + from}`),
  }));
  return new Rejection({ ...error.problem, errors });
}
