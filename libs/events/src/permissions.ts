import { appendsOf, capabilityKey, DEFAULT_TENANT, services, type ServiceName } from '@flex/contracts';
import {
  Bucket,
  DEAD_LETTER_ROOT,
  DEAD_LETTER_STREAM,
  Durable,
  kvStream,
  kvSubject,
  LOAD_SUBJECT,
  LOG_STREAM,
  objectStoreStream,
  OUTCOMES_SUBJECT,
  REGISTRY_QUESTIONS,
  REGISTRY_STREAM,
} from './names.js';

/** Services that connect to NATS; `server` is nats-server itself. */
export type BusUser = Exclude<ServiceName, 'server'> | 'operator';

export const busUsers: readonly BusUser[] = [...services.filter((name) => name !== 'server'), 'operator'];

/** Subjects in NATS's own form. */
export interface Permissions {
  publish: string[];
  /** Wins over `publish`. */
  deny: string[];
  subscribe: string[];
}

/** Reply subjects of a service: its own, so that nobody reads another's answers. */
export const inboxPrefixFor = (user: BusUser): string => `_INBOX_${user}`;

const CLAIMS_STREAM = objectStoreStream(Bucket.claims);
const ALL_STREAMS = [
  LOG_STREAM,
  REGISTRY_STREAM,
  DEAD_LETTER_STREAM,
  kvStream(Bucket.registry),
  kvStream(Bucket.heartbeats),
  kvStream(Bucket.leases),
  CLAIMS_STREAM,
];

/** Reading a stream in order: a consumer of one's own, made (without a name where it has several filters), pulled, given up. */
const reading = (stream: string): string[] => [
  `$JS.API.CONSUMER.CREATE.${stream}`,
  `$JS.API.CONSUMER.CREATE.${stream}.>`,
  ...pulling(stream),
];
const pulling = (stream: string): string[] => [
  `$JS.API.CONSUMER.MSG.NEXT.${stream}.*`,
  `$JS.API.CONSUMER.DELETE.${stream}.*`,
];

/** Work is acknowledged by stream and consumer. */
const ACKS = `$JS.ACK.${LOG_STREAM}.>`;
/** Sharing work of the log among replicas. */
const WORKING = [...reading(LOG_STREAM), `$JS.API.CONSUMER.DURABLE.CREATE.${LOG_STREAM}.*`, ACKS];

const LAST_MESSAGE = `$JS.API.STREAM.MSG.GET.${LOG_STREAM}`;
const REGISTRY_MIRROR = reading(kvStream(Bucket.registry));

/** Large payloads, put and fetched. What was put is never changed: only the archivist removes it. */
const CLAIMS = [
  `$O.${Bucket.claims}.>`,
  ...reading(CLAIMS_STREAM),
  `$JS.API.CONSUMER.INFO.${CLAIMS_STREAM}.*`,
  `$JS.API.STREAM.MSG.GET.${CLAIMS_STREAM}`,
  `$JS.API.DIRECT.GET.${CLAIMS_STREAM}`,
  `$JS.API.DIRECT.GET.${CLAIMS_STREAM}.>`,
];

/** What everybody needs: to see that the streams are there, and large payloads. */
const EVERYBODY = ['$JS.API.INFO', ...ALL_STREAMS.map((stream) => `$JS.API.STREAM.INFO.${stream}`), ...CLAIMS];
/** A place for what breaks its contract, by whoever could not process it. */
const deadLettersOf = (consumer: string): string => `${DEAD_LETTER_ROOT}.${consumer}.${LOG_STREAM}.*`;

/** Services of the platform make the streams they find missing; workers, which may be anybody's, find them made. */
const MAKE_STREAMS = ALL_STREAMS.flatMap((stream) => [
  `$JS.API.STREAM.CREATE.${stream}`,
  `$JS.API.STREAM.UPDATE.${stream}`,
]);

/** Writing a bucket: its keys, and a look at what a deleted key left behind. */
const bucket = (name: string): string[] => [`$KV.${name}.>`, `$JS.API.DIRECT.GET.${kvStream(name)}.>`];

/** Beyond {@link EVERYBODY} and one's own events. */
const EXTRA: Record<Exclude<BusUser, 'operator' | 'worker'>, { publish: string[]; subscribe?: string[] }> = {
  gateway: {
    publish: [
      ...reading(LOG_STREAM),
      LAST_MESSAGE,
      `$JS.API.DIRECT.GET.${LOG_STREAM}`,
      ...REGISTRY_MIRROR,
      `${REGISTRY_QUESTIONS}.>`,
      // The archivist removes what it has archived.
      `$JS.API.STREAM.PURGE.${LOG_STREAM}`,
      `$JS.API.STREAM.PURGE.${CLAIMS_STREAM}`,
    ],
    // Hints that somebody waits for, as they are published; the log itself is read through a consumer.
    subscribe: ['run.>', 'hitl.requested.>', LOAD_SUBJECT],
  },
  planner: { publish: [...WORKING, ...REGISTRY_MIRROR] },
  policy: { publish: WORKING },
  orchestrator: {
    publish: [
      // What became of calls is the orchestrator's to tell: a worker could speak ill of its rivals.
      OUTCOMES_SUBJECT,
      LOAD_SUBJECT,
      ...reading(LOG_STREAM),
      LAST_MESSAGE,
      ...REGISTRY_MIRROR,
      ...bucket(Bucket.leases),
      ...reading(kvStream(Bucket.leases)),
    ],
  },
  registry: {
    publish: [
      ...WORKING,
      LAST_MESSAGE,
      ...reading(REGISTRY_STREAM),
      `${DEAD_LETTER_ROOT}.*.${REGISTRY_STREAM}.*`,
      ...[Bucket.registry, Bucket.heartbeats, Bucket.leases].flatMap((name) => [
        ...bucket(name),
        ...reading(kvStream(name)),
      ]),
      // Answers go to the inbox of whoever asked.
      '_INBOX.>',
      ...(['gateway', 'worker'] as const).map((name) => `${inboxPrefixFor(name)}.>`),
    ],
    subscribe: [`${REGISTRY_QUESTIONS}.>`, OUTCOMES_SUBJECT],
  },
};

/**
 * What a service may say and hear: the table of architecture.md as permissions. Nobody appends what is another's to
 * decide; the services of the platform read the log, and work through consumers of JetStream.
 */
export function permissionsOf(user: BusUser): Permissions {
  if (user === 'operator') return { publish: ['>'], deny: [], subscribe: ['>'] };
  if (user === 'worker') return workerPermissions();
  const { publish, subscribe = [] } = EXTRA[user];
  const said = [
    ...appendsOf(user).map((type) => `${type}.>`),
    ...EVERYBODY,
    deadLettersOf('*'),
    ...MAKE_STREAMS,
    ...publish,
  ];
  return { publish: [...new Set(said)], deny: [], subscribe: [`${inboxPrefixFor(user)}.>`, ...subscribe] };
}

/** Reading facets of one tenant (`*`: of any), and nothing else of the registry. */
const facetsOf = (tenant: string): string[] => {
  const stream = kvStream(Bucket.registry);
  return [`$JS.API.CONSUMER.CREATE.${stream}.*.${kvSubject(Bucket.registry, `facet.${tenant}.>`)}`, ...pulling(stream)];
};
/** Hearing what was cancelled, by readers of one's own. */
const CANCELLATIONS = [
  ...['*.cancelled.>', 'run.failed.>'].map((filter) => `$JS.API.CONSUMER.CREATE.${LOG_STREAM}.*.${filter}`),
  ...pulling(LOG_STREAM),
];
/** All that can be done to a durable consumer of the log, so that it can be denied. */
const touching = (durable: string): string[] => [
  `$JS.API.CONSUMER.CREATE.${LOG_STREAM}.${durable}.>`,
  `$JS.API.CONSUMER.MSG.NEXT.${LOG_STREAM}.${durable}`,
  `$JS.API.CONSUMER.DELETE.${LOG_STREAM}.${durable}`,
  `$JS.ACK.${LOG_STREAM}.${durable}.>`,
];
const PLATFORM = Object.values(Durable).flatMap(touching);
// The second prefix is that of any NATS client: an agent in another language needs no setting.
const HEARD_BY_WORKERS = [`${inboxPrefixFor('worker')}.>`, '_INBOX.>'];

/**
 * Workers may be anybody's program: of the log they hear their own work and what was cancelled, and they cannot touch
 * the consumers of the platform. With `tenant` they work for that tenant only. What one of them does with the consumers
 * of the others is trust; where there is none, each gets a user of its own ({@link agentPermissions}).
 */
export function workerPermissions(tenant?: string): Permissions {
  const key = tenant === undefined ? '>' : `*.*.~${tenant}.>`;
  const publish = [
    ...appendsOf('worker').map((type) => `${type}.${key}`),
    ...EVERYBODY,
    deadLettersOf('*'),
    `$JS.API.CONSUMER.CREATE.${LOG_STREAM}.*.node.dispatched.${key}`,
    ...CANCELLATIONS,
    ACKS,
    ...facetsOf(tenant ?? '*'),
    ...facetsOf(DEFAULT_TENANT),
    `$KV.${Bucket.heartbeats}.${tenant ?? '*'}.>`,
    `${REGISTRY_QUESTIONS}.*.${tenant ?? '*'}`,
    `${REGISTRY_QUESTIONS}.*.${tenant ?? '*'}.>`,
  ];
  return { publish: [...new Set(publish)], deny: PLATFORM, subscribe: HEARD_BY_WORKERS };
}

/** Name of the durable consumer that all workers of a capability share; dots may not stand in it. */
export const workerDurable = (capabilityKey: string): string => `worker-${capabilityKey.replaceAll('.', '=')}`;

/** An agent with a user of its own. */
export interface Agent {
  /** It hears replies under `_INBOX_<user>` only. */
  user: string;
  tenant?: string;
  capabilities: string[];
  /** It may publish facets of its tenant. */
  publishesFacets?: boolean;
}

const keysOf = ({ tenant, capabilities }: Agent): string[] => capabilities.map((id) => capabilityKey(id, tenant));

/**
 * What an agent may say that works for its own capabilities only: it takes, reports, beats and registers for them. NATS
 * cannot tell consumers apart by the beginning of their names, and readers have random ones: so the consumers of `others`
 * are denied one by one.
 */
export function agentPermissions(agent: Agent, others: readonly Agent[]): Permissions {
  const { user, tenant = DEFAULT_TENANT, capabilities, publishesFacets } = agent;
  const keys = keysOf(agent);
  const publish = [
    ...EVERYBODY,
    ...CANCELLATIONS,
    ...facetsOf(tenant),
    ...facetsOf(DEFAULT_TENANT),
    ...keys.flatMap((key) => [
      ...appendsOf('worker').map((type) => `${type}.*.*.${key}`),
      `$JS.API.CONSUMER.CREATE.${LOG_STREAM}.${workerDurable(key)}.node.dispatched.*.*.${key}`,
      `$JS.ACK.${LOG_STREAM}.${workerDurable(key)}.>`,
      deadLettersOf(workerDurable(key)),
    ]),
    ...capabilities.flatMap((id) => [
      `$KV.${Bucket.heartbeats}.${tenant}.${id}.*`,
      `${REGISTRY_QUESTIONS}.*.${tenant}.${id}`,
    ]),
    ...(publishesFacets ? [`${REGISTRY_QUESTIONS}.publishFacets.${tenant}`] : []),
  ];
  const denied = others.flatMap(keysOf).filter((key) => !keys.includes(key));
  return {
    publish: [...new Set(publish)],
    deny: [...PLATFORM, ...denied.map(workerDurable).flatMap(touching)],
    subscribe: [`_INBOX_${user}.>`],
  };
}
