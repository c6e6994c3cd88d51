/**
 * What a stack writes down about itself under FLEX_HOME, so that any later command finds it, and so that whatever an
 * ended supervisor left behind can be found and ended too.
 *
 * - `supervisor.lock`: who supervises this home. It is there or not, never half.
 * - `state.json`: every process, written before anything else happens to it.
 */
import { linkSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { hasEnded, isRunning, signal, type ProcessIdentity } from './process-identity.js';

export interface ProcessRecord extends ProcessIdentity {
  /** `nats`, `postgres`, a helper, or service and number: `worker-2`. */
  name: string;
  /** The service's name; absent for the two servers. */
  service?: string;
  /** Does something once, e.g. creates a data folder; nothing is lost when it is killed. */
  helper?: boolean;
  port: number;
  restarts: number;
  ready: boolean;
}

export interface StackState {
  supervisor: ProcessIdentity;
  phase: 'starting' | 'ready' | 'stopping';
  since: string;
  /** How long its services may take to stop. */
  stopTimeoutMs: number;
  url: string;
  natsUrl: string;
  databaseUrl: string;
  processes: ProcessRecord[];
}

const lockPath = (home: string): string => join(home, 'supervisor.lock');
const statePath = (home: string): string => join(home, 'state.json');
export const logsFolder = (home: string): string => join(home, 'logs');
export const logPath = (home: string, name: string): string => join(logsFolder(home), `${name}.log`);

function readJson<T>(path: string): T | undefined {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as T;
  } catch {
    return undefined;
  }
}

/** What was last written; undefined when nothing runs there. It may be what an ended supervisor left. */
export const readState = (home: string): StackState | undefined => readJson<StackState>(statePath(home));

/** The live supervisor of this home. */
export function supervisorOf(home: string): ProcessIdentity | undefined {
  const owner = readJson<ProcessIdentity>(lockPath(home));
  return owner && isRunning(owner) ? owner : undefined;
}

/** Whole or not at all, and readable by its owner only: it holds the database's password. */
export function writeState(home: string, state: StackState): void {
  const unfinished = `${statePath(home)}.${process.pid}`;
  writeFileSync(unfinished, JSON.stringify(state, null, 2), { mode: 0o600 });
  renameSync(unfinished, statePath(home));
}

/** Takes the lock for `self`; false when a live process holds it. */
export function acquireLock(home: string, self: ProcessIdentity): boolean {
  mkdirSync(home, { recursive: true, mode: 0o700 });
  const own = `${lockPath(home)}.${self.pid}`;
  writeFileSync(own, JSON.stringify(self));
  try {
    for (;;) {
      try {
        linkSync(own, lockPath(home));
        return true;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      }
      if (supervisorOf(home)) return false;
      if (!removeStale(home, self)) return false;
    }
  } finally {
    rmSync(own, { force: true });
  }
}

/** Puts a dead owner's lock away. Two may try at once: whoever moved a live lock instead puts it back and gives way. */
function removeStale(home: string, self: ProcessIdentity): boolean {
  const aside = `${lockPath(home)}.stale.${self.pid}`;
  try {
    renameSync(lockPath(home), aside);
  } catch {
    return true;
  }
  try {
    const moved = readJson<ProcessIdentity>(aside);
    if (!moved || !isRunning(moved)) return true;
    linkSync(aside, lockPath(home));
    return false;
  } finally {
    rmSync(aside, { force: true });
  }
}

export const releaseLock = (home: string): void => rmSync(lockPath(home), { force: true });
export const removeState = (home: string): void => rmSync(statePath(home), { force: true });

/** Ends what an ended supervisor left running. Only to be called by whoever holds the lock. */
export async function endOrphans(home: string, graceMs = 5_000): Promise<string[]> {
  const orphans = (readState(home)?.processes ?? []).filter((record) => isRunning(record));
  const end = async (records: ProcessRecord[]) => {
    for (const record of records) {
      if (record.helper) signal(record, 'SIGKILL', true);
      // Postgres waits for its clients on SIGTERM, and not on SIGINT.
      else signal(record, record.name === 'postgres' ? 'SIGINT' : 'SIGTERM');
    }
    await Promise.all(
      records.map(async (record) => {
        if (await hasEnded(record, graceMs)) return;
        signal(record, 'SIGKILL', true);
        await hasEnded(record, graceMs);
      }),
    );
  };
  await end(orphans.filter((record) => record.service));
  await end(orphans.filter((record) => !record.service));
  removeState(home);
  return orphans.map((record) => record.name);
}
