export { connectNats, MINIMUM_NATS_VERSION, unsuitable, type NatsOptions } from './connect.js';
export { isConnected, onDisconnect, onReconnect } from './connection-events.js';
export {
  AppendRefused,
  ContractViolation,
  FenceLost,
  isOvertaken,
  LogUnavailable,
  reasonOf,
  UnsuitableServer,
} from './errors.js';
export {
  Bucket,
  DEAD_LETTER_STREAM,
  Durable,
  kvStream,
  kvSubject,
  LOAD_SUBJECT,
  LOG_STREAM,
  OUTCOMES_SUBJECT,
  QUERY_ROOT,
  REGISTRY_STREAM,
} from './names.js';
export { DEDUPE_WINDOW_MS } from './retry.js';
export { ensureStreams, readLogShape, type LogShape, type StreamsOptions } from './streams.js';
export { EventLog, openEventLog, type EventLogOptions } from './event-log.js';
export { LogClock } from './log-clock.js';
export { FencedWriter, type PartitionClaim } from './fenced-writer.js';
export { ThreadClaims, type ClaimedThread, type ThreadClaim } from './thread-claims.js';
export { eventDigest, NewerEvent, StoredMessage, type LogEvent } from './stored-message.js';
export { Tail, type PoisonHandler, type PoisonMessage, type TailOptions } from './tail.js';
export type { RunReading } from './read-run.js';
export type { PubAck } from './ack-mux.js';
export { CLAIM_THRESHOLD } from './claim-store.js';
export { restoreStream, saveStream, type StreamCopy } from './stream-copy.js';
export { OrderedReader, type Delivered } from './ordered-reader.js';
export { decodeDelivered } from './tail.js';
export { isRunId, parseSubject, runFilters } from './subject.js';
export { DeadLetters, type DeadLetter } from './dead-letters.js';
export { Worker, type WorkContext, type WorkOptions } from './work.js';
export { BucketWatch, type BucketEntry, type BucketWatchOptions } from './bucket-watch.js';
export {
  capabilityEntryKey,
  changeOf,
  everyFacetOf,
  facetKey,
  RegistryMirror,
  type RegistryChange,
} from './registry-mirror.js';
export { BucketWriter, StaleRevision, type PutOptions } from './bucket-writer.js';
export {
  announce,
  lastAnnouncements,
  type Announcement,
  type RegistryEventType,
  type StoredAnnouncement,
} from './announce.js';
export {
  RegistryClient,
  registryQuestions,
  registryQuestionSubject,
  type FacetVersion,
  type Registered,
  type RegisteredMany,
  type RegistryQuestion,
} from './registry-client.js';
export { KvMirror, type KvChange, type KvMirrorOptions } from './kv-mirror.js';
export { PartitionLeases, type PartitionLeasesOptions } from './partition-leases.js';
export { assignPartitions } from './lease-assignment.js';
export {
  agentPermissions,
  busUsers,
  inboxPrefixFor,
  permissionsOf,
  workerDurable,
  workerPermissions,
  type Agent,
  type BusUser,
  type Permissions,
} from './permissions.js';
export { agentUsers, natsAuthorization, serviceUsers, type NatsUser } from './nats-authorization.js';
export { contextOf, currentTraceparent, isTracing, processing, sending } from './trace.js';
