import { randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { NatsConnection } from '@nats-io/nats-core';
import { capabilityKey, everySubject, Rejection, type Facet } from '@flex/contracts';
import { connectNats, EventLog, reasonOf, readLogShape, workerDurable, type LogShape, type Worker } from '@flex/events';
import { Attendance } from './attendance.js';
import { Cancellations } from './cancellations.js';
import type { CapabilityDefinition } from './define-capability.js';
import { FacetBook } from './facet-book.js';
import { plainLogger, type WorkerLogger } from './logger.js';
import { StepRunner } from './step-runner.js';

export interface WorkerOptions {
  capabilities: CapabilityDefinition[];
  /** Published before the capabilities are registered, unless a newer version is live. */
  facets?: Facet[];
  /** Default: NATS_URL, then nats://127.0.0.1:4222. */
  natsUrl?: string;
  /** A connection to use instead of an own one; it is left open. */
  nc?: NatsConnection;
  shape?: LogShape;
  /** Name of this process; letters, digits, _ and -. */
  instance?: string;
  /** Steps at once, per capability that doesn't say it itself. */
  concurrency?: number;
  /** Steps fetched beyond that and waiting here; raises the throughput of short steps. */
  prefetch?: number;
  /** A step of a worker that died is given to another one after this. */
  ackWaitMs?: number;
  /** How long steps under way may take to finish when the worker stops; then they are given back. */
  patienceMs?: number;
  /** Stop on SIGTERM and SIGINT, then end the process; default true. */
  signals?: boolean;
  /** Register and send heartbeats; false when somebody else does. Default true. */
  register?: boolean;
  logger?: WorkerLogger;
  /** Aborting stops the worker, also while it still waits for the registry. */
  signal?: AbortSignal;
}

export interface RunningWorker {
  readonly instance: string;
  /** Takes nothing new, finishes what is under way, says goodbye. */
  stop(): Promise<void>;
}

const DEFAULT_CONCURRENCY = 128;
const DEFAULT_PREFETCH = 128;
const DEFAULT_ACK_WAIT_MS = 15_000;
const DEFAULT_PATIENCE_MS = 8_000;
const RETRY_MS = 500;

/**
 * Brings agents to life: connects, takes their steps from the log (any number of processes share them), registers them
 * and sends heartbeats. Waits for NATS and the registry when they are not there yet. Rejects when the registry refuses
 * a capability, with its reasons.
 */
export async function startWorker(options: WorkerOptions): Promise<RunningWorker> {
  const logger = options.logger ?? plainLogger;
  const instance = options.instance ?? `worker-${randomBytes(4).toString('hex')}`;
  const { nc, shape, own } = await connection(options, instance, logger);
  const log = new EventLog(nc, 'worker', shape);
  const capabilities = options.capabilities.map(({ capability }) => capability);
  const runners = new Map<string, StepRunner>();
  const cancellations = new Cancellations(log, (await log.lastSeq()) + 1, ({ runId, nodeId, attempt }) => {
    for (const runner of runners.values()) {
      for (const step of runner.running) {
        if (step.runId !== runId) continue;
        if (nodeId === undefined || (step.nodeId === nodeId && step.attempt <= (attempt ?? step.attempt)))
          step.interrupt('cancelled');
      }
    }
  });
  const book = new FacetBook(nc, capabilities);
  const attendance =
    options.register === false
      ? undefined
      : new Attendance({ nc, instance, capabilities, facets: options.facets ?? [], logger });
  // One that limits its steps is left to its own consumer, which counts them.
  const unlimited = new Set(options.capabilities.filter(({ capability }) => !capability.concurrency).map(keyOf));
  const sibling = (key: string) => (unlimited.has(key) ? runners.get(key) : undefined);
  const consumers = options.capabilities.map((definition) => {
    const isCancelled = cancellations.has.bind(cancellations);
    const runner = new StepRunner({ log, definition, book, instance, isCancelled, sibling, logger });
    runners.set(keyOf(definition), runner);
    return consume(log, definition, runner, options, logger);
  });
  const stop = once(async () => {
    const patience = options.patienceMs ?? DEFAULT_PATIENCE_MS;
    const giveBack = setTimeout(() => {
      for (const runner of runners.values()) for (const step of runner.running) step.interrupt('stopping');
    }, patience);
    await Promise.all(consumers.map((consumer) => consumer.stop()));
    clearTimeout(giveBack);
    cancellations.close();
    book.close();
    await attendance?.goodbye();
    if (own) await nc.drain();
    logger.info({ worker: instance }, 'stopped');
  });
  options.signal?.addEventListener('abort', () => void stop(), { once: true });
  if (options.signal?.aborted) await stop();
  try {
    await Promise.all(consumers.map((consumer) => consumer.ready));
    await attendance?.register();
  } catch (error) {
    await stop();
    throw error instanceof Rejection ? new Error(explain(error), { cause: error }) : error;
  }
  if (options.signals !== false) endWith(stop);
  return { instance, stop };
}

const keyOf = ({ capability }: CapabilityDefinition): string =>
  capabilityKey(capability.capabilityId, capability.tenant);

function consume(
  log: EventLog,
  definition: CapabilityDefinition,
  runner: StepRunner,
  options: WorkerOptions,
  logger: WorkerLogger,
): Worker<'node.dispatched'> {
  const { capability } = definition;
  const key = keyOf(definition);
  return log.work<'node.dispatched'>({
    durable: workerDurable(key),
    filters: [everySubject('node.dispatched', key)],
    handler: runner.handle,
    concurrency: capability.concurrency ?? options.concurrency ?? DEFAULT_CONCURRENCY,
    prefetch: capability.concurrency === undefined ? (options.prefetch ?? DEFAULT_PREFETCH) : 0,
    ackWaitMs: options.ackWaitMs ?? DEFAULT_ACK_WAIT_MS,
    onFailure: (reason, { subject, attempt, buried }) => {
      logger.warn({ reason, subject, delivery: attempt, buried }, 'a step could not be processed');
    },
  });
}

async function connection(
  options: WorkerOptions,
  instance: string,
  logger: WorkerLogger,
): Promise<{ nc: NatsConnection; shape: LogShape; own: boolean }> {
  if (options.nc) return { nc: options.nc, shape: options.shape ?? (await readLogShape(options.nc)), own: false };
  const url = options.natsUrl ?? process.env['NATS_URL'] ?? 'nats://127.0.0.1:4222';
  const { NATS_USER: user, NATS_PASSWORD: pass, NATS_INBOX_PREFIX: prefix } = process.env;
  // The users that Flex configures may hear their own replies only.
  const inboxPrefix = prefix ?? (user ? `_INBOX_${user}` : undefined);
  let nc: NatsConnection | undefined;
  for (let told = false; ; told = true) {
    try {
      nc ??= await connectNats({ url, name: instance, user, pass, inboxPrefix });
      return { nc, shape: await readLogShape(nc), own: true };
    } catch (error) {
      if (!told) logger.warn({ reason: reasonOf(error) }, 'waiting for Flex');
    }
    await delay(RETRY_MS);
  }
}

function explain({ problem }: Rejection): string {
  const faults = problem.errors?.map(({ pointer, message }) => `${pointer || '/'} ${message}`).join('; ');
  return faults ? `${problem.title}: ${faults}` : (problem.detail ?? problem.title);
}

function endWith(stop: () => Promise<void>): void {
  const onSignal = (): void => {
    stop().then(
      () => process.exit(0),
      () => process.exit(1),
    );
  };
  process.once('SIGTERM', onSignal);
  process.once('SIGINT', onSignal);
}

function once(run: () => Promise<void>): () => Promise<void> {
  let result: Promise<void> | undefined;
  return () => (result ??= run());
}
