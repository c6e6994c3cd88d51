import { appendsOf, services, type ServiceName } from '@flex/contracts';
import { Bucket, DEAD_LETTER_ROOT, DEAD_LETTER_STREAM, kvStream, LOG_STREAM, REGISTRY_STREAM } from './names.js';

/** Services that connect to NATS; `server` is nats-server itself. */
export type BusUser = Exclude<ServiceName, 'server'> | 'operator';

export interface Permissions {
  publish: string[];
  subscribe: string[];
}

/** Reply subjects of a service: its own, so that nobody reads another's answers. */
export const inboxPrefixFor = (user: BusUser): string => `_INBOX_${user}`;

const CLAIMS_STREAM = `OBJ_${Bucket.claims}`;
const ALL_STREAMS = [
  LOG_STREAM,
  REGISTRY_STREAM,
  DEAD_LETTER_STREAM,
  kvStream(Bucket.registry),
  kvStream(Bucket.heartbeats),
  kvStream(Bucket.leases),
  CLAIMS_STREAM,
];

/** Questions to the registry, in request and reply. */
const REGISTRY_QUESTIONS = 'flex.registry.>';

/**
 * What a service may say and hear: the table of architecture.md as permissions. Nobody appends what is another's to
 * decide; everybody reads the log, and works through consumers of JetStream.
 */
export function permissionsOf(user: BusUser): Permissions {
  const inbox = `${inboxPrefixFor(user)}.>`;
  if (user === 'operator') return { publish: ['>'], subscribe: ['>'] };
  const publish = [
    ...appendsOf(user).map((type) => `${type}.>`),
    `${DEAD_LETTER_ROOT}.>`,
    ...readingOf([LOG_STREAM, REGISTRY_STREAM, kvStream(Bucket.registry), CLAIMS_STREAM, DEAD_LETTER_STREAM]),
    // Acks of work. They name stream and consumer, and are worthless without the delivery.
    '$JS.ACK.>',
    '$JS.API.INFO',
    `$O.${Bucket.claims}.>`,
    ...ALL_STREAMS.map((stream) => `$JS.API.STREAM.INFO.${stream}`),
    ...EXTRA[user].publish,
  ];
  return { publish: [...new Set(publish)], subscribe: [inbox, ...EXTRA[user].subscribe] };
}

/** Consumers and direct reads of some streams. */
function readingOf(streams: string[]): string[] {
  return streams.flatMap((stream) => [
    `$JS.API.CONSUMER.CREATE.${stream}`,
    `$JS.API.CONSUMER.CREATE.${stream}.>`,
    `$JS.API.CONSUMER.DURABLE.CREATE.${stream}.>`,
    `$JS.API.CONSUMER.INFO.${stream}.>`,
    `$JS.API.CONSUMER.DELETE.${stream}.>`,
    `$JS.API.CONSUMER.MSG.NEXT.${stream}.>`,
    `$JS.API.STREAM.MSG.GET.${stream}`,
    `$JS.API.DIRECT.GET.${stream}`,
    `$JS.API.DIRECT.GET.${stream}.>`,
  ]);
}

/** Services of the platform make the streams they find missing; workers, which may be anybody's, find them made. */
const MAKE_STREAMS = ALL_STREAMS.flatMap((stream) => [
  `$JS.API.STREAM.CREATE.${stream}`,
  `$JS.API.STREAM.UPDATE.${stream}`,
]);
const bucket = (name: string): string[] => [`$KV.${name}.>`, ...readingOf([kvStream(name)])];

const EXTRA: Record<Exclude<BusUser, 'operator'>, Permissions> = {
  gateway: {
    // The archivist purges what it has archived.
    publish: [
      REGISTRY_QUESTIONS,
      `$JS.API.STREAM.PURGE.${LOG_STREAM}`,
      `$JS.API.STREAM.PURGE.${CLAIMS_STREAM}`,
      ...MAKE_STREAMS,
    ],
    subscribe: [],
  },
  planner: { publish: [REGISTRY_QUESTIONS, ...MAKE_STREAMS], subscribe: [] },
  policy: { publish: MAKE_STREAMS, subscribe: [] },
  orchestrator: { publish: [...bucket(Bucket.leases), ...MAKE_STREAMS], subscribe: [] },
  registry: {
    publish: [
      ...bucket(Bucket.registry),
      ...bucket(Bucket.heartbeats),
      ...bucket(Bucket.leases),
      ...MAKE_STREAMS,
      // Answers go to the inbox of whoever asked.
      '_INBOX.>',
      ...services.filter((name) => name !== 'server').map((name) => `${inboxPrefixFor(name as BusUser)}.>`),
    ],
    subscribe: [REGISTRY_QUESTIONS],
  },
  worker: {
    publish: [REGISTRY_QUESTIONS, ...bucket(Bucket.heartbeats), `$JS.API.STREAM.PURGE.${CLAIMS_STREAM}`],
    subscribe: [],
  },
};

/**
 * The `authorization` block of a nats-server configuration, with one user for each password given. Passwords may be
 * bcrypt hashes; left out, the server takes them from an environment variable: `{ gateway: '$GATEWAY_PASSWORD' }`.
 */
export function natsAuthorization(passwords: Partial<Record<BusUser, string>>): string {
  const users = (Object.entries(passwords) as [BusUser, string][]).map(([user, password]) => {
    const { publish, subscribe } = permissionsOf(user);
    return [
      `    {`,
      `      user: ${user}`,
      `      password: ${password.startsWith('$') && !password.startsWith('$2') ? password : JSON.stringify(password)}`,
      `      permissions: {`,
      `        publish: { allow: [${publish.map((subject) => JSON.stringify(subject)).join(', ')}] }`,
      `        subscribe: { allow: [${subscribe.map((subject) => JSON.stringify(subject)).join(', ')}] }`,
      `        allow_responses: true`,
      `      }`,
      `    }`,
    ].join('\n');
  });
  return ['authorization {', '  users: [', users.join(',\n'), '  ]', '}', ''].join('\n');
}
