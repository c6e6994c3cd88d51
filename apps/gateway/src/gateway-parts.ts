import type { Kysely } from 'kysely';
import { validateEnvelope, validatorFor } from '@flex/planning';
import { EventLog, RegistryClient, RegistryMirror } from '@flex/events';
import type { ServiceContext } from '@flex/events/service';
import type { GatewayConfig } from './gateway-config.js';
import { RunFeeds } from './feed/run-feeds.js';
import { StoredHistory } from './feed/stored-history.js';
import { StreamGate } from './http/stream-gate.js';
import { observeStreams } from './http/stream-meter.js';
import { EnvelopeCheck } from './runs/envelope-check.js';
import { Forks } from './runs/forks.js';
import { LogDesk } from './runs/log-desk.js';
import { PlanPreview } from './runs/plan-preview.js';
import { RunCommands } from './runs/run-commands.js';
import { RunReader } from './runs/run-reader.js';
import { RunSubmission } from './runs/run-submission.js';
import { TaskDesk } from './runs/task-desk.js';
import { Threads } from './runs/threads.js';
import type { GatewayDatabase } from './store/gateway-schema.js';
import { PostgresArchivist } from './store/postgres-archivist.js';
import { Idempotency } from './store/postgres-idempotency.js';
import { PostgresListings } from './store/postgres-listings.js';

/** The gateway's parts, wired once by hand: what stands on what can be read here from top to bottom. */
export class GatewayParts {
  readonly db: Kysely<GatewayDatabase>;
  readonly log: EventLog;
  readonly mirror: RegistryMirror;
  readonly registry: RegistryClient;
  readonly history: StoredHistory;
  readonly feeds: RunFeeds;
  readonly gate: StreamGate;
  readonly runs: RunReader;
  readonly listings: PostgresListings;
  readonly idempotency: Idempotency;
  readonly archivist: PostgresArchivist;
  readonly submission: RunSubmission;
  readonly commands: RunCommands;
  readonly forks: Forks;
  readonly tasks: TaskDesk;
  readonly preview: PlanPreview;

  constructor(service: ServiceContext<GatewayConfig>) {
    const { config, nc, shape, log: logger } = service;
    this.db = service.database<GatewayDatabase>();
    this.log = new EventLog(nc, 'gateway', shape);
    this.mirror = new RegistryMirror(nc);
    this.registry = new RegistryClient(nc, { timeoutMs: 10_000 });
    this.history = new StoredHistory(this.log, this.db);
    this.feeds = new RunFeeds(this.log, this.history, logger);
    this.gate = new StreamGate(config.maxStreams, config.maxStreamsPerTenant, logger);
    observeStreams(this.gate);
    this.runs = new RunReader(this.feeds, this.history);
    this.listings = new PostgresListings(this.db);
    this.idempotency = new Idempotency(this.db);
    this.archivist = new PostgresArchivist(this.log, this.db, logger, config.retentionSeconds * 1000);
    const check = new EnvelopeCheck(validateEnvelope, (tenant) =>
      this.mirror.isReady ? this.mirror.snapshot(tenant) : undefined,
    );
    const desk = new LogDesk(this.log);
    const threads = new Threads(desk, this.db);
    this.submission = new RunSubmission(desk, this.history, check, threads, config.maxPendingSubmissions);
    this.commands = new RunCommands(desk, this.runs);
    this.forks = new Forks(this.runs, this.submission);
    this.tasks = new TaskDesk(
      desk,
      this.runs,
      this.listings,
      (schema, value) => validatorFor(schema)(value),
      (tenant) => this.mirror.snapshot(tenant),
    );
    this.preview = new PlanPreview(validateEnvelope, () => performance.now());
  }
}
