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

/** First subject token of NATS core queries (request/reply), which are no part of the log. */
export const QUERY_ROOT = 'query';

export const Bucket = {
  registry: 'flex_registry',
  heartbeats: 'flex_heartbeats',
  leases: 'flex_leases',
  claims: 'flex_claims',
} as const;

/** The stream beneath a KV bucket. */
export const kvStream = (bucket: string): string => `KV_${bucket}`;

/** The subject of one key of a KV bucket. */
export const kvSubject = (bucket: string, key: string): string => `$KV.${bucket}.${key}`;
