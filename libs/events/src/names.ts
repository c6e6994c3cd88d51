/** The event log itself. One stream for every run, partitioned by a token of the subject. */
export const LOG_STREAM = 'FLEX';

/** What the registry announced (capabilities, facets, health). Few events, kept for ever. */
export const REGISTRY_STREAM = 'REGISTRY';

/** Messages that broke their contract, with the reason. */
export const DEAD_LETTER_STREAM = 'FLEX_DEAD';

/** First subject token of the dead-letter stream. */
export const DEAD_LETTER_ROOT = 'dead';

/** Entities whose events live in stream REGISTRY instead of FLEX. */
export const REGISTRY_ENTITIES: readonly string[] = ['capability', 'facet'];

/** Root of the questions to the registry, in request and reply: `<root>.<question>.<tenant>`. */
export const REGISTRY_QUESTIONS = 'flex.registry';

/** Durable consumers of the platform's services, whose work is nobody else's. */
export const Durable = {
  planner: 'planner',
  policyEnvelopes: 'policy-envelopes',
  policyOccasions: 'policy-occasions',
} as const;

/** First subject token of NATS core queries (request/reply), which are no part of the log. */
export const QUERY_ROOT = 'query';

/** Where orchestrators tell the registry how calls of capabilities ended (NATS core, no part of the log). */
export const OUTCOMES_SUBJECT = 'flex.outcomes';

/** Where orchestrators tell the gateways how far behind they are (NATS core, no part of the log). */
export const LOAD_SUBJECT = 'flex.load';

export const Bucket = {
  registry: 'flex_registry',
  heartbeats: 'flex_heartbeats',
  leases: 'flex_leases',
  claims: 'flex_claims',
} as const;

/** The stream beneath a KV bucket. */
export const kvStream = (bucket: string): string => `KV_${bucket}`;

/** The stream beneath a bucket of large objects. */
export const objectStoreStream = (bucket: string): string => `OBJ_${bucket}`;

/** The subject of one key of a KV bucket. */
export const kvSubject = (bucket: string, key: string): string => `$KV.${bucket}.${key}`;
