/**
 * Which process a written-down pid means. Pids are reused, so a pid alone may name a stranger: together with the time
 * at which the process started it names one process for ever, and only that one is ever signalled.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

export interface ProcessIdentity {
  pid: number;
  /** Opaque: only compared for equality. */
  startedAt: string;
}

/** The start time of a live process; undefined when there is none (a zombie counts as none). */
export function startTimeOf(pid: number): string | undefined {
  if (process.platform === 'linux') {
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
      // The second field is the command in parentheses and may itself contain blanks and parentheses.
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      return fields[0] === 'Z' ? undefined : fields[19];
    } catch {
      return undefined;
    }
  }
  try {
    return (
      execFileSync('ps', ['-o', 'lstart=', '-p', String(pid)], { encoding: 'utf8', stdio: 'pipe' }).trim() || undefined
    );
  } catch {
    return undefined;
  }
}

export function identify(pid: number): ProcessIdentity | undefined {
  const startedAt = startTimeOf(pid);
  return startedAt === undefined ? undefined : { pid, startedAt };
}

export const isRunning = (identity: ProcessIdentity): boolean => startTimeOf(identity.pid) === identity.startedAt;

/** Signals exactly that process, or its whole group; silently nothing when it is gone. */
export function signal(identity: ProcessIdentity, name: NodeJS.Signals, group = false): void {
  if (!isRunning(identity)) return;
  try {
    process.kill(group ? -identity.pid : identity.pid, name);
  } catch {
    // It ended in between, which is what the caller wanted to bring about or to know.
  }
}

/** Resolves true when the process has ended, false when it still runs after `timeoutMs`. */
export async function hasEnded(identity: ProcessIdentity, timeoutMs: number): Promise<boolean> {
  const deadline = performance.now() + timeoutMs;
  while (isRunning(identity)) {
    if (performance.now() > deadline) return false;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return true;
}

/** Ends a process and all that it started, now. */
export async function killGroup(leader: ProcessIdentity): Promise<void> {
  signal(leader, 'SIGKILL', true);
  await hasEnded(leader, 5_000);
}
