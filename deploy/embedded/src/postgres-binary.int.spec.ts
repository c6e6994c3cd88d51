/** Postgres for root where namespaces are forbidden, as in many containers, under a folder that only root may enter. */
import { spawn } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { postgresRunner } from './postgres-binary.js';
import { databaseUrl, initialise, serveCommand, whyNotServing } from './postgres-server.js';
import { freePort } from './tcp-ports.js';
import { eventually } from './testing/launcher.js';

const asRoot = process.getuid?.() === 0 ? it : it.skip;

describe('Postgres as root without namespaces', () => {
  asRoot('runs as nobody, with its data where nobody gets to', async () => {
    const closed = mkdtempSync(join(tmpdir(), 'flex-test-closed-'));
    chmodSync(closed, 0o700);
    const runner = postgresRunner(join(closed, 'home', 'postgres'), false);
    expect(runner.dataDir.startsWith(closed)).toBe(false);
    const settings = { port: await freePort(), password: 'pass', careless: true };
    await initialise(runner, settings);
    expect(statSync(runner.dataDir).uid).toBe(runner.user?.uid);

    const { command, args, env, user } = serveCommand(runner, settings);
    const server = spawn(command, args, { env, cwd: '/', stdio: 'ignore', ...user });
    try {
      await eventually('it serves', async () => (await whyNotServing(databaseUrl(settings, 'postgres'))) === undefined);
      expect(await whyNotServing(databaseUrl({ ...settings, password: 'wrong' }, 'postgres'))).toContain('password');
    } finally {
      server.kill('SIGINT');
      await new Promise((resolve) => server.once('exit', resolve));
      rmSync(dirname(runner.dataDir), { recursive: true, force: true });
      rmSync(closed, { recursive: true });
    }
  });

  asRoot('stays in place where nobody can reach it', () => {
    const open = mkdtempSync(join(tmpdir(), 'flex-test-open-'));
    chmodSync(open, 0o755);
    const runner = postgresRunner(join(open, 'postgres'), false);
    expect(runner.dataDir).toBe(join(open, 'postgres'));
    expect(existsSync(join(runner.binaries, 'postgres'))).toBe(true);
    rmSync(open, { recursive: true });
  });
});
