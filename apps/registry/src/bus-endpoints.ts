import type { Msg, NatsConnection, Subscription } from '@nats-io/nats-core';
import {
  Closed,
  DEFAULT_TENANT,
  CapabilityId,
  issuesOf,
  JsonValue,
  Name,
  Rejection,
  Tenant,
  Type,
  type Capability,
  type Facet,
  type Problem,
  type TSchema,
} from '@flex/contracts';
import {
  LogUnavailable,
  reasonOf,
  registryQuestions,
  registryQuestionSubject,
  type RegistryQuestion,
} from '@flex/events';
import { problemOf, type Logger } from '@flex/events/service';
import type { Heartbeats } from './heartbeats.js';
import type { PostgresCatalogue } from './postgres-catalogue.js';
import type { Registrations } from './registrations.js';

const Instance = Type.Optional(Type.String({ pattern: '^[A-Za-z0-9_-]{1,64}$' }));
const About = { tenant: Type.Optional(Tenant), capabilityId: CapabilityId, instance: Instance };
const Many = Type.Optional(Type.Array(JsonValue, { maxItems: 50_000 }));

/** What may be asked; entries themselves are judged one by one, with pointers into them. */
const bodies: Record<RegistryQuestion, TSchema> = {
  publishFacet: Closed({ facet: JsonValue }),
  publishFacets: Closed({ facets: Many }),
  register: Closed({ capability: JsonValue, instance: Instance }),
  registerMany: Closed({ facets: Many, capabilities: Many, instance: Instance }),
  deregister: Closed(About),
  heartbeat: Closed(About),
  facetVersions: Closed({ tenant: Type.Optional(Tenant), name: Name('Facet') }),
};

interface About {
  tenant?: string;
  capabilityId: string;
  instance?: string;
}

interface Entries {
  facets?: Facet[];
  capabilities?: Capability[];
  instance?: string;
}

const single = (name: string) => () => `/${name}`;
const origin = { facet: single('facet'), capability: single('capability') };
const originMany = {
  facet: (index: number) => `/facets/${index}`,
  capability: (index: number) => `/capabilities/${index}`,
};

/** Answers the registry's questions on the bus, shared among replicas. Refusals are problem documents. */
export class BusEndpoints {
  readonly #subscriptions: Subscription[];
  readonly #running = new Set<Promise<void>>();

  constructor(
    nc: NatsConnection,
    private readonly registrations: Registrations,
    private readonly heartbeats: Heartbeats,
    private readonly store: PostgresCatalogue,
    private readonly logger: Logger,
  ) {
    this.#subscriptions = registryQuestions.map((question) =>
      nc.subscribe(registryQuestionSubject(question, '>'), {
        queue: 'registry',
        callback: (error, message) => {
          if (error) return;
          const running = this.#reply(question, message).finally(() => void this.#running.delete(running));
          this.#running.add(running);
        },
      }),
    );
  }

  /** Takes no further questions and finishes those under way. */
  async stop(): Promise<void> {
    await Promise.all(this.#subscriptions.map((subscription) => subscription.drain()));
    await Promise.all(this.#running);
  }

  async #reply(question: RegistryQuestion, message: Msg): Promise<void> {
    let answer: unknown;
    try {
      const body = parse(bodies[question], message.data);
      asSubject(message.subject, body);
      answer = await this.#answer(question, body);
    } catch (error) {
      answer = { problem: this.#problem(question, error) };
    }
    message.respond(JSON.stringify(answer));
  }

  async #answer(question: RegistryQuestion, body: Record<string, unknown>): Promise<unknown> {
    switch (question) {
      case 'publishFacet': {
        const facet = body['facet'] as Facet;
        const { revision, unchanged } = await this.registrations.register([facet], [], origin);
        const version = this.registrations.versionOf(facet) ?? 1;
        return { revision, version, unchanged: unchanged > 0 };
      }
      case 'publishFacets':
        return this.registrations.register((body as Entries).facets ?? [], [], originMany);
      case 'register': {
        const capability = body['capability'] as Capability;
        const instance = body['instance'] as string | undefined;
        const { revision, unchanged } = await this.registrations.register([], [capability], origin, instance);
        return { revision, unchanged: unchanged > 0 };
      }
      case 'registerMany': {
        const { facets = [], capabilities = [], instance } = body as Entries;
        return this.registrations.register(facets, capabilities, originMany, instance);
      }
      case 'deregister': {
        const { tenant = DEFAULT_TENANT, capabilityId, instance } = body as unknown as About;
        if (!instance) return { revision: await this.registrations.remove(tenant, capabilityId) };
        await this.heartbeats.goodbye(tenant, capabilityId, instance);
        return { revision: 0 };
      }
      case 'heartbeat': {
        const { tenant = DEFAULT_TENANT, capabilityId, instance } = body as unknown as About;
        return { revision: await this.registrations.heartbeat(tenant, capabilityId, instance) };
      }
      case 'facetVersions': {
        const { tenant = DEFAULT_TENANT, name } = body as { tenant?: string; name: string };
        return { versions: await this.store.facetVersions(tenant, name) };
      }
    }
  }

  #problem(question: RegistryQuestion, error: unknown): Problem {
    if (error instanceof LogUnavailable) {
      return problemOf(new Rejection({ title: 'The log is not available now', status: 503, code: 'unavailable' }));
    }
    const problem = problemOf(error);
    if (problem.status >= 500)
      this.logger.error({ question, reason: reasonOf(error) }, 'a question to the registry failed');
    return problem;
  }
}

/** Who asks may be bound by the subject to a tenant or a capability: what is asked must concern that one only. */
function asSubject(subject: string, body: Record<string, unknown>): void {
  const [, , , tenant, ...name] = subject.split('.');
  const { facet, capability, facets = [], capabilities = [] } = body as Partial<Record<string, unknown>> & Entries;
  const parts = [facet, capability, ...facets, ...capabilities].filter((part) => part !== undefined);
  for (const part of parts.length > 0 ? parts : [body]) {
    const { tenant: meant = DEFAULT_TENANT, capabilityId } = (part ?? {}) as Partial<About>;
    if (meant !== tenant) throw notYours('Not your tenant', `The question is one of tenant ${tenant}`);
    if (name.length > 0 && capabilityId !== name.join('.'))
      throw notYours('Not your capability', `The question is one about ${name.join('.')}`);
  }
}

const notYours = (title: string, detail: string): Rejection =>
  new Rejection({ title, status: 403, code: 'forbidden', detail });

function parse(schema: TSchema, data: Uint8Array): Record<string, unknown> {
  let body: unknown;
  try {
    body = JSON.parse(Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('utf8'));
  } catch (error) {
    throw new Rejection({ title: 'Not JSON', status: 400, code: 'not_json', detail: reasonOf(error) });
  }
  const errors = issuesOf(schema, body);
  if (errors.length > 0)
    throw new Rejection({ title: 'Invalid request', status: 422, code: 'invalid_request', errors });
  return body as Record<string, unknown>;
}
