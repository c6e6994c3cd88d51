import {
  DiscardPolicy,
  jetstreamManager,
  RetentionPolicy,
  StorageType,
  type JetStreamManager,
  type StreamConfig,
  type StreamInfo,
} from '@nats-io/jetstream';
import { nanos, type NatsConnection } from '@nats-io/nats-core';
import { DEFAULT_PARTITIONS, entities } from '@flex/contracts';
import { ask } from './ask.js';
import { reasonOf, UnsuitableServer } from './errors.js';
import {
  Bucket,
  DEAD_LETTER_ROOT,
  DEAD_LETTER_STREAM,
  kvStream,
  LOG_STREAM,
  objectStoreStream,
  REGISTRY_ENTITIES,
  REGISTRY_STREAM,
} from './names.js';
import { DEDUPE_WINDOW_MS } from './retry.js';

export interface StreamsOptions {
  /** How many partitions a new log gets. An existing log keeps its own count, which is then returned. */
  partitions?: number;
  /** 1 embedded, 3 in a cluster. */
  replicas?: number;
  storage?: 'file' | 'memory';
}

export interface LogShape {
  partitions: number;
  replicas: number;
  /** Set when the configuration asked for another partition count than the log was created with: say it to the operator. */
  warning?: string;
}

const PARTITIONS_KEY = 'flex-partitions';
const KEY_EXISTS_ALREADY = new Set([10058, 10065]);
const STREAM_NOT_FOUND = 10059;

/** Creates whatever of streams and buckets is missing. Safe when many services do it at once, and free when all exist. */
export async function ensureStreams(nc: NatsConnection, options: StreamsOptions = {}): Promise<LogShape> {
  const jsm = await manager(nc);
  const wanted = options.partitions ?? DEFAULT_PARTITIONS;
  const storage = options.storage === 'memory' ? StorageType.Memory : StorageType.File;
  const replicas = options.replicas ?? 1;
  const log = await ensureStream(nc, jsm, logConfig(wanted, replicas, storage));
  await Promise.all([
    ensureStream(nc, jsm, {
      ...plainStream(REGISTRY_STREAM, replicas, storage),
      subjects: REGISTRY_ENTITIES.map((entity) => `${entity}.>`),
    }),
    ensureStream(nc, jsm, {
      ...plainStream(DEAD_LETTER_STREAM, replicas, storage),
      subjects: [`${DEAD_LETTER_ROOT}.>`],
    }),
    ensureStream(nc, jsm, kvConfig(Bucket.registry, replicas, storage)),
    ensureStream(nc, jsm, kvConfig(Bucket.heartbeats, replicas, storage)),
    ensureStream(nc, jsm, kvConfig(Bucket.leases, replicas, storage)),
    ensureStream(nc, jsm, objectStoreConfig(Bucket.claims, replicas, storage)),
  ]);
  return shapeOf(log, wanted);
}

/** The shape of an existing log. Throws {@link UnsuitableServer} when there is none yet. */
export async function readLogShape(nc: NatsConnection): Promise<LogShape> {
  const jsm = await manager(nc);
  const info = await streamInfo(jsm, LOG_STREAM);
  if (!info) throw new UnsuitableServer(`stream ${LOG_STREAM} does not exist yet`);
  return shapeOf(info);
}

async function manager(nc: NatsConnection): Promise<JetStreamManager> {
  try {
    return await jetstreamManager(nc, { timeout: 10_000, checkAPI: false });
  } catch (error) {
    throw new UnsuitableServer(`JetStream does not answer: ${reasonOf(error)}`, { cause: error });
  }
}

/** A log of another partition count is used as it is: the hash of a run's id must mean the same for ever. */
function shapeOf(info: StreamInfo, wanted?: number): LogShape {
  const stored = Number(info.config.metadata?.[PARTITIONS_KEY]);
  if (!Number.isInteger(stored) || stored < 1) {
    throw new UnsuitableServer(
      `stream ${LOG_STREAM} carries no partition count (metadata ${PARTITIONS_KEY}); it was not created by Flex`,
    );
  }
  const shape: LogShape = { partitions: stored, replicas: info.config.num_replicas };
  if (wanted === undefined || wanted === stored) return shape;
  const warning = `the log has ${stored} partitions since it was created; the configured ${wanted} is ignored`;
  return { ...shape, warning };
}

async function streamInfo(jsm: JetStreamManager, name: string): Promise<StreamInfo | undefined> {
  try {
    return await jsm.streams.info(name);
  } catch (error) {
    if (apiCode(error) === STREAM_NOT_FOUND) return undefined;
    throw error;
  }
}

/** How long a cluster that is just forming may take to have enough servers for a stream. */
const FORMING_MS = 20_000;

async function ensureStream(
  nc: NatsConnection,
  jsm: JetStreamManager,
  config: Partial<StreamConfig> & { name: string },
): Promise<StreamInfo> {
  const existing = await streamInfo(jsm, config.name);
  if (existing) return withNewSubjects(jsm, existing, config.subjects ?? []);
  try {
    return await ask(nc, () => jsm.streams.add(config), FORMING_MS);
  } catch (error) {
    // Another service was faster, with its own idea of the configuration: the first one counts.
    const created = KEY_EXISTS_ALREADY.has(apiCode(error)) ? await streamInfo(jsm, config.name) : undefined;
    if (created) return created;
    throw new UnsuitableServer(`cannot create stream ${config.name}: ${reasonOf(error)}`, { cause: error });
  }
}

/** A newer release may know more entities than the one that created the stream. */
async function withNewSubjects(jsm: JetStreamManager, info: StreamInfo, wanted: string[]): Promise<StreamInfo> {
  const present = info.config.subjects ?? [];
  const missing = wanted.filter((subject) => !present.includes(subject));
  if (missing.length === 0) return info;
  return jsm.streams.update(info.config.name, { ...info.config, subjects: [...present, ...missing] });
}

function apiCode(error: unknown): number {
  const code = (error as { code?: unknown }).code;
  return typeof code === 'number' ? code : 0;
}

type NamedConfig = Partial<StreamConfig> & { name: string };

function plainStream(name: string, replicas: number, storage: StorageType): NamedConfig {
  return {
    name,
    storage,
    num_replicas: replicas,
    retention: RetentionPolicy.Limits,
    discard: DiscardPolicy.New,
    allow_direct: true,
    duplicate_window: nanos(DEDUPE_WINDOW_MS),
  };
}

/** No limit of age, size or count: what leaves the hot log is purged by name, after it was archived. */
function logConfig(partitions: number, replicas: number, storage: StorageType): NamedConfig {
  return {
    ...plainStream(LOG_STREAM, replicas, storage),
    subjects: entities.map((entity) => `${entity}.>`),
    allow_msg_schedules: true,
    allow_msg_ttl: true,
    allow_rollup_hdrs: true,
    allow_atomic: true,
    metadata: { [PARTITIONS_KEY]: String(partitions) },
  };
}

/** As the KV clients of NATS create it, with per-key TTL and markers, so that expiry is a message that watchers see. */
function kvConfig(bucket: string, replicas: number, storage: StorageType): NamedConfig {
  return {
    name: kvStream(bucket),
    subjects: [`$KV.${bucket}.>`],
    storage,
    num_replicas: replicas,
    retention: RetentionPolicy.Limits,
    discard: DiscardPolicy.New,
    max_msgs_per_subject: 1,
    allow_direct: true,
    allow_rollup_hdrs: true,
    deny_delete: true,
    allow_msg_ttl: true,
    subject_delete_marker_ttl: nanos(60_000),
  };
}

function objectStoreConfig(bucket: string, replicas: number, storage: StorageType): NamedConfig {
  return {
    name: objectStoreStream(bucket),
    subjects: [`$O.${bucket}.C.>`, `$O.${bucket}.M.>`],
    storage,
    num_replicas: replicas,
    retention: RetentionPolicy.Limits,
    discard: DiscardPolicy.New,
    allow_direct: true,
    allow_rollup_hdrs: true,
  };
}
