import { catalogue, runCatalogue, type EventType } from './catalogue.js';
import { threadEvents } from './events/threads.js';

/** Default number of partitions of a new log; fixed when its stream is created. */
export const DEFAULT_PARTITIONS = 16;
export const DEFAULT_TENANT = 'default';

/** First tokens of the log's subjects: `run`, `plan`, … */
export const entities: readonly string[] = [
  ...new Set(Object.keys({ ...runCatalogue, ...threadEvents }).map((type) => type.split('.')[0]!)),
];

/** Stable hash (FNV-1a, 32 bit) of a run's id over the partition count. */
export function partitionOf(runId: string, partitions: number): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < runId.length; i++) {
    hash ^= runId.charCodeAt(i);
    hash = Math.imul(hash, 0x01000193);
  }
  return (hash >>> 0) % partitions;
}

export const partitionToken = (partition: number): string => String(partition).padStart(2, '0');

/** Bus key of a capability: its id, for other tenants than the shared one behind `~<tenant>`. */
export const capabilityKey = (capabilityId: string, tenant: string = DEFAULT_TENANT): string =>
  tenant === DEFAULT_TENANT ? capabilityId : `~${tenant}.${capabilityId}`;

/** The capability that a bus key stands for. */
export function capabilityOfKey(key: string): { tenant: string; capabilityId: string } {
  if (!key.startsWith('~')) return { tenant: DEFAULT_TENANT, capabilityId: key };
  const end = key.indexOf('.');
  return { tenant: key.slice(1, end), capabilityId: key.slice(end + 1) };
}

/** Subject of an event of a run: `<entity>.<event>.<partition>.<runId>[.<key>]`. */
export const subjectOf = (type: EventType, runId: string, partitions: number, key?: string): string =>
  `${type}.${partitionToken(partitionOf(runId, partitions))}.${runId}${key === undefined ? '' : `.${key}`}`;

/** Subject of a partition's claim. */
export const claimSubject = (partition: number): string => `partition.claimed.${partitionToken(partition)}`;

/** Subject of an event of stream REGISTRY: `<entity>.<event>.<tenant>.<name>`. */
export const registrySubject = (type: EventType, tenant: string, name: string): string => `${type}.${tenant}.${name}`;

/** All subjects of one event type, for consumers. */
export const everySubject = (type: EventType, key?: string): string => {
  if (type === 'partition.claimed') return 'partition.claimed.*';
  if (!Object.hasOwn(runCatalogue, type)) return `${type}.>`;
  if (!(catalogue[type] as { keyed?: boolean }).keyed) return `${type}.*.*`;
  return key === undefined ? `${type}.*.*.>` : `${type}.*.*.${key}`;
};
