/** Finds the stack of a FLEX_HOME, brings it up when there is none, and takes it down. */
import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, mkdirSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { CHECKOUT } from './checkout.js';
import { OperatorError } from './operator-error.js';
import { hasEnded, identify, signal, type ProcessIdentity } from './process-identity.js';
import { homeOf, readSettings, type StackChoices } from './settings.js';
import {
  acquireLock,
  endOrphans,
  logPath,
  logsFolder,
  readState,
  releaseLock,
  supervisorOf,
  type StackState,
} from './stack-state.js';
import type { FromSupervisor, ToSupervisor } from './supervisor-main.js';

export interface StackInfo {
  /** The gateway. */
  url: string;
  natsUrl: string;
  databaseUrl: string;
  home: string;
  /** Whether this call brought it up. */
  started: boolean;
}

export interface EnsureOptions extends StackChoices {
  /** Default: the process's environment; FLEX_HOME, FLEX_PORT, NATS_URL … are read from it. */
  env?: NodeJS.ProcessEnv;
  /** One line per step, for people. */
  onProgress?: (line: string) => void;
  /** Aborted while the stack comes up: everything that was started is stopped, and the call rejects. */
  signal?: AbortSignal;
  /**
   * `keep` (default): the stack stays up when the calling process ends.
   * `attached`: it ends with the calling process, however that ends.
   */
  lifetime?: 'keep' | 'attached';
}

/** A stack that this process started, with the supervisor's end. */
export interface RunningStack extends StackInfo {
  /** Resolves with the supervisor's exit code; never for a stack that was found running. */
  ended: Promise<number>;
  stop(): Promise<void>;
}

const WAIT_FOR_OTHER_MS = 120_000;
/** Beyond what the services may take: the servers, and a slow machine. */
const STOP_RESERVE_MS = 20_000;

const infoOf = (home: string, state: StackState, started: boolean): StackInfo => ({
  url: state.url,
  natsUrl: state.natsUrl,
  databaseUrl: state.databaseUrl,
  home,
  started,
});

/** The stack that someone else runs or is just bringing up; undefined when there is none or it failed. */
async function otherStack(home: string, abort?: AbortSignal): Promise<StackState | undefined> {
  const deadline = performance.now() + WAIT_FOR_OTHER_MS;
  for (;;) {
    const owner = supervisorOf(home);
    if (!owner) return undefined;
    const state = readState(home);
    if (state?.phase === 'ready' && state.supervisor.pid === owner.pid) return state;
    abort?.throwIfAborted();
    if (performance.now() > deadline)
      throw new OperatorError(`the stack in ${home} is neither up nor down`, 'See ./flex status, or ./flex down.');
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** Uses the stack that runs in FLEX_HOME, or brings one up. */
export async function ensureStack(options: EnsureOptions = {}): Promise<RunningStack> {
  const env = options.env ?? process.env;
  const { home } = readSettings(env, options);
  options.signal?.throwIfAborted();
  const running = await otherStack(home, options.signal);
  if (running) {
    const stop = async () => void (await stopStack(home));
    return { ...infoOf(home, running, false), ended: new Promise(() => undefined), stop };
  }
  // None when another process began to bring one up a moment earlier: then that one is waited for.
  return (await launch(home, env, options)) ?? ensureStack(options);
}

async function launch(home: string, env: NodeJS.ProcessEnv, options: EnsureOptions): Promise<RunningStack | undefined> {
  mkdirSync(logsFolder(home), { recursive: true, mode: 0o700 });
  const log = openSync(logPath(home, 'supervisor'), 'a');
  const choices: StackChoices = { without: options.without, scale: options.scale };
  const child = spawn(
    process.execPath,
    [join(CHECKOUT, 'deploy/embedded/dist/supervisor-main.js'), JSON.stringify(choices)],
    {
      stdio: ['ignore', log, log, 'ipc'],
      env,
      cwd: home,
      detached: true,
    },
  );
  closeSync(log);
  const identity = child.pid === undefined ? undefined : identify(child.pid);
  const ended = new Promise<number>((resolve) => child.once('exit', (code) => resolve(code ?? 1)));
  const stop = async () => {
    if (identity) await endSupervisor(home, identity);
  };
  const onAbort = () => void (child.connected && child.send({ type: 'stop' } satisfies ToSupervisor));
  options.signal?.addEventListener('abort', onAbort, { once: true });
  try {
    const state = await readyState(child, ended, options);
    if (!state) {
      await ended;
      return undefined;
    }
    if (options.lifetime !== 'attached') {
      child.send({ type: 'keep' } satisfies ToSupervisor);
      await new Promise((resolve) => (child.connected ? child.once('disconnect', resolve) : resolve(undefined)));
      child.unref();
    }
    return { ...infoOf(home, state, true), ended, stop };
  } catch (error) {
    if (child.connected) child.send({ type: 'stop' } satisfies ToSupervisor);
    await ended;
    throw options.signal?.aborted ? options.signal.reason : error;
  } finally {
    options.signal?.removeEventListener('abort', onAbort);
  }
}

function readyState(
  child: ChildProcess,
  ended: Promise<number>,
  options: EnsureOptions,
): Promise<StackState | undefined> {
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.on('message', (message: FromSupervisor) => {
      if (message.type === 'progress') options.onProgress?.(message.line);
      else if (message.type === 'ready') resolve(message.state);
      else if (message.type === 'taken') resolve(undefined);
      else reject(message.expected ? new OperatorError(message.message, message.advice) : new Error(message.message));
    });
    void ended.then(() => reject(new OperatorError('the stack was stopped while it came up')));
  });
}

/** Asks the supervisor to take its stack down, and does it in its place when it doesn't. */
async function endSupervisor(home: string, supervisor: ProcessIdentity): Promise<void> {
  const patience = (readState(home)?.stopTimeoutMs ?? 10_000) + STOP_RESERVE_MS;
  signal(supervisor, 'SIGTERM');
  if (!(await hasEnded(supervisor, patience))) {
    signal(supervisor, 'SIGKILL');
    await hasEnded(supervisor, 5_000);
  }
  await endLeftovers(home);
}

/** Ends what a supervisor that is gone left behind; nothing when another supervises the home by now. */
async function endLeftovers(home: string): Promise<string[]> {
  const self = identify(process.pid) as ProcessIdentity;
  if (!readState(home) || !acquireLock(home, self)) return [];
  try {
    return await endOrphans(home);
  } finally {
    releaseLock(home);
  }
}

/** Takes the stack of a home down, also when its supervisor was killed. False when nothing ran. */
export async function stopStack(home: string = homeOf(process.env)): Promise<boolean> {
  const supervisor = supervisorOf(home);
  if (!supervisor) return (await endLeftovers(home)).length > 0;
  await endSupervisor(home, supervisor);
  return true;
}
