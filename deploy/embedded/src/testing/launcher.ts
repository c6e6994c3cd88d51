/** Runs launcher commands in homes of their own, with stand-ins for the services, and sees what they leave behind. */
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CHECKOUT } from '../checkout.js';

export interface Finished {
  code: number | null;
  stdout: string;
  stderr: string;
}

export interface Started {
  child: ChildProcess;
  finished: Promise<Finished>;
  stdout(): string;
}

const MAIN = join(CHECKOUT, 'deploy/embedded/dist/main.js');

/** An environment that the operator's own settings can't reach. */
export function launcherEnvironment(home: string, extra: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv {
  return {
    PATH: process.env.PATH,
    HOME: process.env.HOME,
    FLEX_HOME: home,
    FLEX_SERVICE_ENTRY: join(CHECKOUT, 'deploy/embedded/fixtures/service.mjs'),
    ...extra,
  };
}

export function start(args: string[], env: NodeJS.ProcessEnv): Started {
  const child = spawn(process.execPath, [MAIN, ...args], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  const finished = new Promise<Finished>((resolve) => child.once('close', (code) => resolve({ code, stdout, stderr })));
  return { child, finished, stdout: () => stdout };
}

export const run = (args: string[], env: NodeJS.ProcessEnv): Promise<Finished> => start(args, env).finished;

export const newHome = (): string => mkdtempSync(join(tmpdir(), 'flex-test-home-'));

/** The processes that work for a home: it is in the command line or in the environment of each. */
export function processesOf(home: string): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .flatMap((pid) => {
      try {
        const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
        const environment = readFileSync(`/proc/${pid}/environ`, 'utf8');
        return command && (command.includes(home) || environment.includes(home)) ? [`${pid} ${command}`] : [];
      } catch {
        return [];
      }
    });
}

export async function eventually<T>(
  what: string,
  look: () => T | undefined | Promise<T | undefined>,
  timeoutMs = 15_000,
): Promise<T> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const found = await look();
    if (found !== undefined && found !== false) return found;
    if (performance.now() > deadline) throw new Error(`never came about: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}

export const removeHome = (home: string): void => rmSync(home, { recursive: true, force: true });
