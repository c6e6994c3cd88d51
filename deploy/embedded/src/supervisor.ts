/**
 * Brings a whole stack up, keeps it up and takes it down: nats-server and Postgres together, then all services
 * together; back in the opposite order. It owns FLEX_HOME while it lives (see stack-state).
 */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { installed } from './checkout.js';
import { checkNats, checkPostgres } from './external-servers.js';
import { isReadyAt } from './health-probe.js';
import { ManagedProcess, type ProcessPlan } from './managed-process.js';
import { findNatsServer } from './nats-binary.js';
import { greetingOf, natsConfiguration } from './nats-server.js';
import { natsUsers, type NatsUsers } from './nats-users.js';
import { OperatorError } from './operator-error.js';
import { postgresRunner } from './postgres-binary.js';
import { databaseUrl, ensureDatabase, initialise, passwordIn, serveCommand, whyNotServing } from './postgres-server.js';
import { identify, killGroup, type ProcessIdentity } from './process-identity.js';
import { boundLog } from './process-logs.js';
import { bundleAside, bundleOf, isBundled, plainService } from './service-bundle.js';
import { SERVICES, type PortChoice, type ServiceName, type StackSettings } from './settings.js';
import {
  acquireLock,
  endOrphans,
  logPath,
  releaseLock,
  removeState,
  writeState,
  type StackState,
} from './stack-state.js';
import { withoutSecrets } from './shown-url.js';
import { freePort, isFree } from './tcp-ports.js';

const SERVER_GRACE_MS = 10_000;
const BUNDLE_DELAY_MS = 3_000;
const LOG_CHECK_MS = 5_000;

/** Another supervisor owns the home: whoever wanted a stack has one. */
export class HomeIsTaken extends OperatorError {}

export type Progress = (line: string) => void;

async function choosePort(choice: PortChoice, variable: string): Promise<number> {
  if (await isFree(choice.port)) return choice.port;
  if (choice.explicit) {
    throw new OperatorError(
      `port ${choice.port} (${variable}) is taken`,
      `Choose another ${variable}, or unset it to let one be picked.`,
    );
  }
  return freePort();
}

export class Supervisor {
  private readonly self: ProcessIdentity;
  private readonly servers: ManagedProcess[] = [];
  private readonly services: ManagedProcess[] = [];
  private readonly abort = new AbortController();
  private phase: StackState['phase'] = 'starting';
  private readonly since = new Date().toISOString();
  private urls = { url: '', natsUrl: '', databaseUrl: '' };
  /** Of the embedded nats-server; undefined where the operator runs one. */
  private users: NatsUsers | undefined;
  private logTimer: NodeJS.Timeout | undefined;
  /** Every branch of the start, whether it succeeds or not. */
  private readonly begun: Promise<unknown>[] = [];
  private readonly helpers = new Map<string, ProcessIdentity>();
  private bundleTimer: NodeJS.Timeout | undefined;
  private holdsLock = false;

  constructor(
    private readonly settings: StackSettings,
    private readonly env: NodeJS.ProcessEnv,
    private readonly progress: Progress,
  ) {
    this.self = identify(process.pid) as ProcessIdentity;
  }

  /** Resolves when every process is ready. On failure the caller has to `stop()`. */
  start(): Promise<StackState> {
    const start = this.bringUp();
    this.begun.push(start);
    return start;
  }

  private async bringUp(): Promise<StackState> {
    const { settings } = this;
    if (!acquireLock(settings.home, this.self)) throw new HomeIsTaken(`a stack runs already in ${settings.home}`);
    this.holdsLock = true;
    const orphans = await endOrphans(settings.home);
    if (orphans.length > 0) this.progress(`ended what an earlier stack left running: ${orphans.join(', ')}`);
    this.save();
    const gatewayPort = await choosePort(settings.gateway, 'FLEX_PORT');
    this.urls.url = `http://127.0.0.1:${gatewayPort}`;
    this.logTimer = setInterval(() => this.boundLogs(), LOG_CHECK_MS);
    await this.together([this.startNats(), this.startPostgres()]);
    for (const name of SERVICES) {
      for (let n = 1; n <= settings.replicas[name]; n += 1) {
        this.services.push(
          this.manage(this.servicePlan(name, n, name === 'gateway' && n === 1 ? gatewayPort : undefined)),
        );
      }
    }
    await this.together(this.services.map((service) => this.startAndTell(service)));
    this.phase = 'ready';
    this.bundleLater();
    return this.save();
  }

  /** All, or the first failure; `stop()` waits for the rest. */
  private async together(starts: Promise<unknown>[]): Promise<void> {
    this.begun.push(...starts);
    await Promise.all(starts);
    this.abort.signal.throwIfAborted();
  }

  private manage(plan: ProcessPlan): ManagedProcess {
    return new ManagedProcess(plan, () => void this.save());
  }

  private async startAndTell(managed: ManagedProcess): Promise<void> {
    const begin = performance.now();
    await managed.start();
    this.progress(`${managed.plan.name} is ready (${((performance.now() - begin) / 1_000).toFixed(1)} s)`);
  }

  private async startNats(): Promise<void> {
    const { settings } = this;
    if (settings.natsUrl) {
      await checkNats(settings.natsUrl);
      this.urls.natsUrl = settings.natsUrl;
      return;
    }
    const binary = findNatsServer(this.env);
    const port = await choosePort(settings.nats, 'FLEX_NATS_PORT');
    const config = join(settings.home, 'nats.conf');
    const storeDir = join(settings.home, 'nats');
    const users = natsUsers(this.env);
    const extra = users.configuration;
    writeFileSync(config, natsConfiguration({ port, storeDir, serverName: 'flex', sync: settings.sync, extra }), {
      mode: 0o600,
    });
    this.users = users;
    this.urls.natsUrl = `nats://operator:${users.passwordOf('operator')}@127.0.0.1:${port}`;
    await this.startServer({
      name: 'nats',
      launch: async () => ({
        command: binary,
        args: ['-c', config],
        env: { PATH: this.env.PATH, ...users.environment },
        port,
      }),
      isReady: async () => (await greetingOf(this.urls.natsUrl)) !== undefined,
      stopSignal: 'SIGTERM',
    });
  }

  private async startPostgres(): Promise<void> {
    const { settings } = this;
    if (settings.databaseUrl) {
      await checkPostgres(settings.databaseUrl);
      this.urls.databaseUrl = settings.databaseUrl;
      return;
    }
    const port = await choosePort(settings.postgres, 'FLEX_PG_PORT');
    const { password, isNew } = passwordIn(settings.home);
    const postgres = { port, password };
    const runner = postgresRunner(join(settings.home, 'postgres'));
    // Data that had to live outside its home, and whose home was deleted since.
    if (isNew && !runner.dataDir.startsWith(settings.home)) rmSync(runner.dataDir, { recursive: true, force: true });
    await initialise(runner, postgres, {
      abort: this.abort.signal,
      onStarted: (creator) => this.setHelper('initdb', creator),
    });
    this.setHelper('initdb', undefined);
    const { command, args, env, user } = serveCommand(runner, postgres);
    const maintenance = databaseUrl(postgres, 'postgres');
    await this.startServer({
      name: 'postgres',
      launch: async () => ({ command, args, env, user, port }),
      isReady: async () => (await whyNotServing(maintenance)) === undefined,
      // Fast shutdown: it doesn't wait for clients.
      stopSignal: 'SIGINT',
    });
    this.urls.databaseUrl = await ensureDatabase(maintenance, 'flex');
  }

  /** What Node has to run for a service, now. */
  private programOf(service: ServiceName): string[] {
    const { entry, bundled } = this.settings;
    if (entry) return [entry.replace('{service}', service)];
    if (bundled && isBundled(service)) return [bundleOf(service)];
    return ['--enable-source-maps', plainService(service)];
  }

  /** Makes missing bundles aside, a little later: a run may just have been waiting for the stack. */
  private bundleLater(): void {
    const { entry, bundled, home, replicas } = this.settings;
    if (!bundled || entry) return;
    this.bundleTimer = setTimeout(() => {
      const missing = SERVICES.filter((service) => replicas[service] > 0 && !isBundled(service));
      if (missing.length === 0) return;
      bundleAside(missing, logPath(home, 'bundler'), this.env, (helper) => this.setHelper('bundler', helper));
    }, BUNDLE_DELAY_MS);
  }

  /** Processes that do something once, and are killed when the stack ends before they do. */
  private setHelper(name: string, helper: ProcessIdentity | undefined): void {
    if (helper) this.helpers.set(name, helper);
    else this.helpers.delete(name);
    if (this.holdsLock) this.save();
  }

  private startServer(plan: Pick<ProcessPlan, 'name' | 'launch' | 'isReady' | 'stopSignal'>): Promise<void> {
    this.abort.signal.throwIfAborted();
    const managed = this.manage({
      ...plan,
      log: logPath(this.settings.home, plan.name),
      graceMs: SERVER_GRACE_MS,
      startTimeoutMs: this.settings.startTimeoutMs,
    });
    this.servers.push(managed);
    return this.startAndTell(managed);
  }

  private servicePlan(service: ServiceName, number: number, fixedPort: number | undefined): ProcessPlan {
    const { settings } = this;
    const name = settings.replicas[service] > 1 ? `${service}-${number}` : service;
    return {
      name,
      service,
      log: logPath(settings.home, name),
      launch: async () => {
        const port = fixedPort ?? (await freePort());
        return {
          command: process.execPath,
          args: this.programOf(service),
          env: {
            ...this.env,
            NODE_ENV: this.env.NODE_ENV ?? 'production',
            // Compiled code is kept between starts: a service is ready in about half the time.
            NODE_COMPILE_CACHE: this.env.NODE_COMPILE_CACHE ?? installed('.cache', 'flex-compiled'),
            FLEX_SERVICE: service,
            FLEX_INSTANCE: `${service}-${number}`,
            FLEX_HOME: settings.home,
            ...this.busAccess(service),
            DATABASE_URL: this.urls.databaseUrl,
            PORT: String(port),
          },
          port,
        };
      },
      isReady: (port) => isReadyAt(port),
      stopSignal: 'SIGTERM',
      graceMs: settings.stopTimeoutMs,
      startTimeoutMs: settings.startTimeoutMs,
    };
  }

  /** How a service reaches the bus: as itself, or as the operator of a foreign server says. */
  private busAccess(service: ServiceName): Record<string, string> {
    const { natsUrl } = this.urls;
    if (!this.users) return { NATS_URL: natsUrl };
    return {
      NATS_URL: withoutSecrets(natsUrl),
      NATS_USER: service,
      NATS_PASSWORD: this.users.passwordOf(service),
      // What the operator's environment may say about another server.
      NATS_CREDS: '',
      NATS_INBOX_PREFIX: '',
    };
  }

  private save(): StackState {
    const state: StackState = {
      supervisor: this.self,
      phase: this.phase,
      since: this.since,
      stopTimeoutMs: this.settings.stopTimeoutMs,
      ...this.urls,
      processes: [
        ...[...this.helpers].map(([name, helper]) => ({
          name,
          ...helper,
          port: 0,
          restarts: 0,
          ready: true,
          helper: true,
        })),
        ...[...this.servers, ...this.services].flatMap((managed) => {
          const { identity, plan, port, restarts, ready } = managed;
          return identity ? [{ name: plan.name, service: plan.service, ...identity, port, restarts, ready }] : [];
        }),
      ],
    };
    mkdirSync(this.settings.home, { recursive: true, mode: 0o700 });
    writeState(this.settings.home, state);
    return state;
  }

  private boundLogs(): void {
    for (const { plan } of [...this.servers, ...this.services]) boundLog(plan.log);
  }

  /** Takes everything down, at whatever point the start is. `graceMs` 0: at once. */
  async stop(graceMs?: number): Promise<void> {
    this.phase = 'stopping';
    clearInterval(this.logTimer);
    clearTimeout(this.bundleTimer);
    this.abort.abort(new Error('the stack is being stopped'));
    if (!this.holdsLock) return;
    this.save();
    await Promise.all(this.services.map((service) => service.stop(graceMs)));
    await Promise.all(this.servers.map((server) => server.stop(graceMs)));
    await Promise.allSettled(this.begun);
    await Promise.all([...this.helpers.values()].map(killGroup));
    // What the start began while the first round went on.
    await Promise.all([...this.services, ...this.servers].map((managed) => managed.stop(graceMs)));
    removeState(this.settings.home);
    releaseLock(this.settings.home);
  }
}
