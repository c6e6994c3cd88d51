import type { Kysely } from 'kysely';
import { validateEnvelope, validatorFor } from '@flex/planning';
import { EventLog, LogClock, RegistryClient, RegistryMirror } from '@flex/events';
import { SchemaCompiler, type ServiceContext } from '@flex/events/service';
import type { GatewayConfig } from './gateway-config.js';
import { RunFeeds } from './feed/run-feeds.js';
import { RunIndex } from './feed/run-index.js';
import { StoredHistory } from './feed/stored-history.js';
import { StreamGate } from './http/stream-gate.js';
import { observeStreams } from './http/stream-meter.js';
import { ContractSchemas } from './runs/contract-schemas.js';
import { EnvelopeCheck } from './runs/envelope-check.js';
import { Forks } from './runs/forks.js';
import { Intake } from './runs/intake.js';
import { LiveSnapshots } from './runs/live-snapshots.js';
import { LogDesk } from './runs/log-desk.js';
import { PlanPreview } from './runs/plan-preview.js';
import { RunCommands } from './runs/run-commands.js';
import { RunDeletion } from './runs/run-deletion.js';
import { RunReader } from './runs/run-reader.js';
import { RunSubmission } from './runs/run-submission.js';
import { TaskDesk } from './runs/task-desk.js';
import { Threads } from './runs/threads.js';
import type { GatewayDatabase } from './store/gateway-schema.js';
import { PostgresArchivist } from './store/postgres-archivist.js';
import { Idempotency } from './store/postgres-idempotency.js';
import { StreamTickets } from './security/stream-tickets.js';
import { PostgresListings } from './store/postgres-listings.js';
import { sharedSecret } from './store/postgres-secret.js';

/** The gateway's parts, wired once by hand: what stands on what can be read here from top to bottom. */
export class GatewayParts {
  readonly db: Kysely<GatewayDatabase>;
  readonly log: EventLog;
  readonly clock: LogClock;
  readonly mirror: RegistryMirror;
  readonly live: LiveSnapshots;
  readonly compiler = new SchemaCompiler();
  readonly schemas: ContractSchemas;
  readonly registry: RegistryClient;
  readonly history: StoredHistory;
  readonly feeds: RunFeeds;
  readonly gate: StreamGate;
  readonly runs: RunReader;
  readonly listings: PostgresListings;
  readonly tickets: StreamTickets;
  readonly idempotency: Idempotency;
  readonly archivist: PostgresArchivist;
  readonly deletion: RunDeletion;
  readonly submission: RunSubmission;
  readonly commands: RunCommands;
  readonly forks: Forks;
  readonly tasks: TaskDesk;
  readonly preview: PlanPreview;

  constructor(service: ServiceContext<GatewayConfig>) {
    const { config, nc, shape, log: logger } = service;
    this.db = service.database<GatewayDatabase>();
    this.log = new EventLog(nc, 'gateway', shape);
    this.clock = new LogClock(this.log);
    this.mirror = new RegistryMirror(nc);
    this.registry = new RegistryClient(nc, { timeoutMs: 10_000 });
    const index = new RunIndex();
    const desk = new LogDesk(this.log);
    this.history = new StoredHistory(this.log, desk, this.db, index);
    this.feeds = new RunFeeds(this.log, this.history, index, logger);
    this.gate = new StreamGate(config.maxStreams, config.maxStreamsPerTenant, logger);
    observeStreams(this.gate);
    this.runs = new RunReader(this.feeds, this.history);
    this.listings = new PostgresListings(this.db);
    this.tickets = new StreamTickets(sharedSecret(this.db, 'stream-tickets'), this.clock);
    this.idempotency = new Idempotency(this.db);
    const retentionMs = config.retentionSeconds * 1000;
    this.archivist = new PostgresArchivist(this.log, this.clock, this.db, this.history, logger, retentionMs);
    this.deletion = new RunDeletion(this.log, this.archivist);
    this.live = new LiveSnapshots(this.mirror);
    this.schemas = new ContractSchemas(this.compiler);
    const check = new EnvelopeCheck(validateEnvelope, this.live, this.schemas);
    const threads = new Threads(this.log, desk, this.db);
    const limits = {
      pending: config.maxPendingSubmissions,
      behind: config.maxBehind,
      openRuns: config.maxOpenRuns,
    };
    const intake = new Intake(nc, limits, (tenant) => this.listings.openRunsOf(tenant), logger);
    this.submission = new RunSubmission(desk, check, threads, intake, this.live);
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
