/** Creating the embedded Postgres' data folder, the command that serves it, and when it is ready. */
import { randomBytes } from 'node:crypto';
import { chownSync, existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { makeFolderFor, type PostgresRunner } from './postgres-binary.js';
import { gatedSpawn } from './gated-spawn.js';
import { signal, type ProcessIdentity } from './process-identity.js';
import { OperatorError } from './operator-error.js';

export const POSTGRES_USER = 'flex';

export interface PostgresSettings {
  port: number;
  password: string;
  /** Tests may lose their data: no fsync at all. */
  careless?: boolean;
}

export interface Command {
  command: string;
  args: string[];
  user?: { uid: number; gid: number };
  env: NodeJS.ProcessEnv;
}

const commandFor = (runner: PostgresRunner, program: string, args: string[]): Command => {
  const [command, ...rest] = [...runner.prefix, join(runner.binaries, program), ...args];
  return {
    command: command as string,
    args: rest,
    // Nothing of the caller's environment (PGDATA, PGPORT, locale) may reach the server.
    env: { PATH: process.env.PATH, LC_ALL: 'C', TZ: 'UTC' },
    ...(runner.user && { user: runner.user }),
  };
};

/** Kept from the first start on: the data folder knows it. `isNew` says that there was none yet. */
export function passwordIn(home: string): { password: string; isNew: boolean } {
  const path = join(home, 'postgres.secret');
  const isNew = !existsSync(path);
  if (isNew) writeFileSync(path, randomBytes(18).toString('hex'), { mode: 0o600 });
  return { password: readFileSync(path, 'utf8').trim(), isNew };
}

export interface Creation {
  /** Aborted: what was begun is ended, and the call rejects once nothing of it runs any more. */
  abort?: AbortSignal;
  /** Told which process (and its group) does it. */
  onStarted?: (creator: ProcessIdentity) => void;
}

/**
 * Creates the data folder unless it is there. It is built beside its place and renamed when complete, so that an
 * interrupted creation is simply repeated.
 */
export async function initialise(
  runner: PostgresRunner,
  settings: PostgresSettings,
  { abort, onStarted }: Creation = {},
): Promise<void> {
  if (existsSync(join(runner.dataDir, 'PG_VERSION'))) return;
  const unfinished = `${runner.dataDir}.unfinished`;
  rmSync(unfinished, { recursive: true, force: true });
  makeFolderFor(runner, unfinished);
  const passwordFile = `${runner.dataDir}.password`;
  writeFileSync(passwordFile, settings.password, { mode: 0o600 });
  if (runner.user) chownSync(passwordFile, runner.user.uid, runner.user.gid);
  const { command, args, user, env } = commandFor(runner, 'initdb', [
    `--pgdata=${unfinished}`,
    `--username=${POSTGRES_USER}`,
    '--auth=scram-sha-256',
    `--pwfile=${passwordFile}`,
    '--locale=C',
    '--encoding=UTF8',
    '--no-sync',
    '--no-instructions',
  ]);
  let output = '';
  const code = await new Promise<number | null>((resolve, reject) => {
    const child = gatedSpawn({ command, args, env, cwd: '/', user, output: 'pipe' }, (creator) => {
      if (!creator) return;
      onStarted?.(creator);
      // initdb finishes its step whatever it is sent, so all of it is killed, unfinished as it is.
      const kill = () => signal(creator, 'SIGKILL', true);
      if (abort?.aborted) kill();
      abort?.addEventListener('abort', kill, { once: true });
    });
    child.stdout?.on('data', (chunk: Buffer) => (output += chunk.toString()));
    child.stderr?.on('data', (chunk: Buffer) => (output += chunk.toString()));
    child.once('error', reject);
    child.once('close', resolve);
  }).finally(() => rmSync(passwordFile, { force: true }));
  abort?.throwIfAborted();
  if (code !== 0) {
    const reason = output.split('\n').find((line) => line.includes('error')) ?? output.trim().split('\n').pop();
    throw new OperatorError(`Postgres could not be initialised: ${reason}`, 'Or set DATABASE_URL to a running server.');
  }
  renameSync(unfinished, runner.dataDir);
}

/** The command that serves the data folder on the loopback interface. */
export function serveCommand(runner: PostgresRunner, settings: PostgresSettings): Command {
  const options: Record<string, string> = {
    listen_addresses: '127.0.0.1',
    port: String(settings.port),
    unix_socket_directories: '',
    max_connections: '300',
    shared_buffers: '64MB',
    // One machine, nothing archived or replicated.
    wal_level: 'minimal',
    max_wal_senders: '0',
    log_checkpoints: 'off',
    ...(settings.careless ? { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off' } : {}),
  };
  const flags = Object.entries(options).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  return commandFor(runner, 'postgres', ['-D', runner.dataDir, ...flags]);
}

export const databaseUrl = (settings: PostgresSettings, database: string): string =>
  `postgres://${POSTGRES_USER}:${settings.password}@127.0.0.1:${settings.port}/${database}`;

/** Undefined when the server answers a query; else why not. */
export async function whyNotServing(url: string, timeoutMs = 2_000): Promise<string | undefined> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: timeoutMs });
  client.on('error', () => undefined);
  try {
    await client.connect();
    await client.query('select 1');
    return undefined;
  } catch (error) {
    return error instanceof Error && error.message ? error.message : String(error);
  } finally {
    await client.end().catch(() => undefined);
  }
}

/** Creates a database on the server at `url` unless it exists, and returns the URL of that database. */
export async function ensureDatabase(url: string, name: string): Promise<string> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(`create database ${client.escapeIdentifier(name)}`);
  } catch (error) {
    const duplicate = (error as { code?: string }).code;
    if (duplicate !== '42P04' && duplicate !== '23505') throw error;
  } finally {
    await client.end();
  }
  const own = new URL(url);
  own.pathname = `/${name}`;
  return own.href;
}
