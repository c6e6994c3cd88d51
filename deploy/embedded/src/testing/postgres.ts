/**
 * One real Postgres for a whole jest run, and a database of its own for every caller. jest's workers are separate
 * processes: the first that asks starts the server, the others find it by a file. jest's teardown stops it.
 */
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { closeSync, mkdirSync, mkdtempSync, openSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { postgresRunner } from '../postgres-binary.js';
import { databaseUrl, ensureDatabase, initialise, serveCommand, whyNotServing } from '../postgres-server.js';
import { freePort } from '../tcp-ports.js';
import { guard } from './guard.js';

export interface TestPostgres {
  url: string;
  /** Drops the database (and whoever is still connected to it). */
  stop(): Promise<void>;
}

const START_TIMEOUT_MS = 60_000;

/** Set by jest's global setup (see deploy/embedded/jest); without it each process has a server of its own. */
const runFolder = (): string => (process.env.FLEX_TEST_RUN ??= mkdtempSync(join(tmpdir(), 'flex-test-run-')));

/** The process whose end ends the server. */
const owner = (): number => Number(process.env.FLEX_TEST_OWNER ?? process.pid);

async function startServer(folder: string): Promise<string> {
  const port = await freePort();
  const settings = { port, password: randomBytes(12).toString('hex'), careless: true };
  const runner = postgresRunner(join(folder, 'postgres'));
  await initialise(runner, settings);
  const { command, args, env, user } = serveCommand(runner, settings);
  const log = openSync(join(folder, 'postgres.log'), 'a');
  const child = spawn(command, args, { stdio: ['ignore', log, log], env, detached: true, ...user });
  closeSync(log);
  child.unref();
  guard(child.pid as number, owner(), folder);
  const url = databaseUrl(settings, 'postgres');
  const deadline = performance.now() + START_TIMEOUT_MS;
  for (let why = await whyNotServing(url); why; why = await whyNotServing(url)) {
    if (child.exitCode !== null || performance.now() > deadline) {
      throw new Error(
        `Postgres didn't start (${why}):\n${readFileSync(join(folder, 'postgres.log'), 'utf8').slice(-2_000)}`,
      );
    }
    await new Promise((resolve) => setTimeout(resolve, 30));
  }
  // Written beside and renamed: whoever finds the file finds all of it.
  writeFileSync(join(folder, 'postgres.json.tmp'), JSON.stringify({ url, pid: child.pid }));
  renameSync(join(folder, 'postgres.json.tmp'), join(folder, 'postgres.json'));
  return url;
}

const urlIn = (folder: string): string | undefined => {
  try {
    return (JSON.parse(readFileSync(join(folder, 'postgres.json'), 'utf8')) as { url: string }).url;
  } catch {
    return undefined;
  }
};

/** The run's server: started by whoever comes first. */
async function sharedServer(): Promise<string> {
  const folder = runFolder();
  mkdirSync(folder, { recursive: true });
  const running = urlIn(folder);
  if (running) return running;
  try {
    mkdirSync(join(folder, 'starting'));
  } catch {
    const deadline = performance.now() + START_TIMEOUT_MS;
    for (;;) {
      const url = urlIn(folder);
      if (url) return url;
      if (performance.now() > deadline)
        throw new Error('the test run’s Postgres, started by another worker, never came up');
      await new Promise((resolve) => setTimeout(resolve, 30));
    }
  }
  return startServer(folder);
}

/** A fresh, empty database on the test run's Postgres. */
export async function startPostgres(): Promise<TestPostgres> {
  const server = await sharedServer();
  const name = `test_${randomBytes(6).toString('hex')}`;
  const url = await ensureDatabase(server, name);
  return {
    url,
    stop: async () => {
      const client = new pg.Client({ connectionString: server });
      await client.connect();
      await client.query(`drop database if exists ${client.escapeIdentifier(name)} with (force)`);
      await client.end();
    },
  };
}
