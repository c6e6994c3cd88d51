/** One supervised process: started, watched until ready, restarted when it ends by itself, stopped for good. */
import { closeSync, mkdirSync, openSync } from 'node:fs';
import { dirname } from 'node:path';
import { CHECKOUT } from './checkout.js';
import { OperatorError } from './operator-error.js';
import { gatedSpawn } from './gated-spawn.js';
import { hasEnded, signal, type ProcessIdentity } from './process-identity.js';
import { lastLines } from './process-logs.js';

export interface Launch {
  command: string;
  args: string[];
  env: NodeJS.ProcessEnv;
  user?: { uid: number; gid: number };
  port: number;
}

export interface ProcessPlan {
  name: string;
  service?: string;
  log: string;
  /** Asked before every start: a restarted service may listen elsewhere. */
  launch(): Promise<Launch>;
  isReady(port: number): Promise<boolean>;
  stopSignal: NodeJS.Signals;
  graceMs: number;
  startTimeoutMs: number;
}

/** How one life of a process ended. */
interface End {
  how: string;
  /** A further start would end the same way. */
  hopeless?: boolean;
}

const POLL_MS = 25;
const FIRST_BACKOFF_MS = 100;
const LONGEST_BACKOFF_MS = 5_000;
/** Whoever ran that long is restarted at once. */
const STABLE_MS = 10_000;
/** Ends before it was ready even once, so often: the start has failed. */
const START_ATTEMPTS = 3;

export class ManagedProcess {
  identity: ProcessIdentity | undefined;
  port = 0;
  restarts = 0;
  ready = false;
  private stopping = false;
  private wake: () => void = () => undefined;
  private loop: Promise<void> | undefined;

  constructor(
    readonly plan: ProcessPlan,
    /** Called after every change, synchronously: the new state must be on disk before anything else happens. */
    private readonly changed: () => void,
  ) {}

  /** Resolves when it was ready for the first time; rejects when that doesn't come about. */
  start(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.loop = this.supervise(resolve, reject);
    });
  }

  private async supervise(started: () => void, failed: (reason: Error) => void): Promise<void> {
    let wasReady = false;
    let failures = 0;
    while (!this.stopping) {
      const begin = performance.now();
      const end = await this.runOnce(() => {
        wasReady = true;
        started();
      }, wasReady).catch((error: Error): End => ({ how: `could not be started: ${error.message}`, hopeless: true }));
      if (this.stopping) break;
      failures = performance.now() - begin > STABLE_MS ? 0 : failures + 1;
      if (!wasReady && (failures >= START_ATTEMPTS || end.hopeless)) {
        const said = lastLines(this.plan.log, 12).trim();
        failed(new OperatorError(`${this.plan.name} ${end.how}`, `Its log (${this.plan.log}) ends with:\n${said}`));
        return;
      }
      this.restarts += 1;
      this.changed();
      await this.pause(failures === 0 ? 0 : Math.min(FIRST_BACKOFF_MS * 2 ** (failures - 1), LONGEST_BACKOFF_MS));
    }
    failed(new Error(`${this.plan.name} was stopped`));
  }

  /** One life of the process; resolves with how it ended. */
  private async runOnce(onReady: () => void, restarted: boolean): Promise<End> {
    const { plan } = this;
    const launch = await plan.launch();
    if (this.stopping) return { how: 'was stopped' };
    mkdirSync(dirname(plan.log), { recursive: true });
    const output = openSync(plan.log, 'a');
    // A group of its own: the terminal's Ctrl-C reaches the supervisor only, which stops all in the right order.
    const { port, ...program } = launch;
    const child = gatedSpawn({ ...program, cwd: plan.service ? CHECKOUT : '/', output }, (identity) => {
      this.identity = identity;
      this.port = port;
      this.changed();
    });
    closeSync(output);
    const ended = new Promise<string>((resolve) => {
      child.once('error', (error) => resolve(`could not be started: ${error.message}`));
      child.once('exit', (code, name) => resolve(name ? `was ended by ${name}` : `ended with exit code ${code}`));
    });
    let over = false;
    void ended.then(() => (over = true));
    const deadline = performance.now() + plan.startTimeoutMs;
    while (!over && !this.stopping && !this.ready) {
      this.ready = await plan.isReady(launch.port);
      if (over || this.ready) break;
      if (!restarted && performance.now() > deadline) {
        await this.end();
        return { how: `is not ready after ${plan.startTimeoutMs / 1_000} s`, hopeless: true };
      }
      await Promise.race([ended, new Promise((resolve) => setTimeout(resolve, POLL_MS))]);
    }
    if (!over && this.ready) {
      this.changed();
      onReady();
    }
    const how = await ended;
    this.ready = false;
    this.identity = undefined;
    this.changed();
    return { how };
  }

  private pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  private async end(graceMs = this.plan.graceMs): Promise<void> {
    const { identity } = this;
    if (!identity) return;
    signal(identity, 'SIGCONT');
    signal(identity, graceMs > 0 ? this.plan.stopSignal : 'SIGKILL', graceMs === 0);
    if (await hasEnded(identity, graceMs || 5_000)) return;
    signal(identity, 'SIGKILL', true);
    await hasEnded(identity, 5_000);
  }

  /** Stops it for good: gracefully for a while, then by force. Safe at any moment, also while it starts. */
  async stop(graceMs = this.plan.graceMs): Promise<void> {
    this.stopping = true;
    this.wake();
    await this.end(graceMs);
    await this.loop;
  }
}
