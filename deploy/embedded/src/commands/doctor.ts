/** `flex doctor [--json]`: looks at everything that a stack needs from this machine, and says what to do. */
import { spawnSync } from 'node:child_process';
import { accessSync, constants, existsSync, statfsSync } from 'node:fs';
import { freemem } from 'node:os';
import { dirname, join } from 'node:path';
import { checkNats, checkPostgres } from '../external-servers.js';
import { findNatsServer, versionOf } from '../nats-binary.js';
import { OperatorError } from '../operator-error.js';
import { postgresRunner } from '../postgres-binary.js';
import { readSettings, type PortChoice, type StackSettings } from '../settings.js';
import { withoutSecrets } from '../shown-url.js';
import { supervisorOf } from '../stack-state.js';
import { isFree } from '../tcp-ports.js';

interface Finding {
  name: string;
  result: 'ok' | 'warning' | 'problem';
  detail: string;
  advice?: string;
}

const LEAST_DISK_BYTES = 1024 ** 3;
const LEAST_MEMORY_BYTES = 1024 ** 3;
const LEAST_OPEN_FILES = 1_024;

type Check = (settings: StackSettings, env: NodeJS.ProcessEnv) => Promise<Omit<Finding, 'name'>>;

const ok = (detail: string) => ({ result: 'ok' as const, detail });
const gibibytes = (bytes: number): string => `${(bytes / 1024 ** 3).toFixed(1)} GiB`;

async function port(choice: PortChoice, variable: string, running: boolean): Promise<Omit<Finding, 'name'>> {
  if (running) return ok('used by the stack that is up');
  if (await isFree(choice.port)) return ok(`${choice.port} is free`);
  return choice.explicit
    ? { result: 'problem', detail: `${choice.port} is taken`, advice: `Choose another ${variable}.` }
    : {
        result: 'warning',
        detail: `${choice.port} is taken: another will be picked`,
        advice: `Set ${variable} to choose it.`,
      };
}

/** The nearest folder above a path that exists. */
const existing = (path: string): string => (existsSync(path) ? path : existing(dirname(path)));

const checks: Record<string, Check> = {
  node: async () => ok(`${process.version} (${process.execPath})`),
  npm: async () => {
    const version = spawnSync('npm', ['--version'], { encoding: 'utf8' }).stdout?.trim();
    return version
      ? ok(version)
      : { result: 'warning', detail: 'not found', advice: 'It is needed when dependencies change.' };
  },
  nats: async (settings, env) => {
    if (settings.natsUrl) {
      await checkNats(settings.natsUrl);
      return ok(`serves at ${withoutSecrets(settings.natsUrl)}`);
    }
    const binary = findNatsServer(env);
    return ok(`nats-server ${versionOf(binary)} (${binary})`);
  },
  postgres: async (settings) => {
    if (settings.databaseUrl) {
      await checkPostgres(settings.databaseUrl);
      return ok(`serves at ${withoutSecrets(settings.databaseUrl)}`);
    }
    const runner = postgresRunner(join(settings.home, 'postgres'));
    const [command, ...args] = [...runner.prefix, join(runner.binaries, 'postgres'), '--version'];
    const said = spawnSync(command as string, args, { encoding: 'utf8', cwd: '/', ...runner.user });
    if (said.status === 0) return ok(`${said.stdout.trim()}, data in ${runner.dataDir}`);
    return {
      result: 'problem',
      detail: said.stderr?.trim() || String(said.error),
      advice: 'Set DATABASE_URL to a running server.',
    };
  },
  home: async ({ home }) => {
    const folder = existing(home);
    try {
      accessSync(folder, constants.W_OK | constants.X_OK);
    } catch {
      return { result: 'problem', detail: `${folder} is not writable`, advice: 'Set FLEX_HOME to a folder of yours.' };
    }
    const { bavail, bsize } = statfsSync(folder);
    const free = bavail * bsize;
    if (free >= LEAST_DISK_BYTES) return ok(`${home}, ${gibibytes(free)} free`);
    return {
      result: 'warning',
      detail: `only ${gibibytes(free)} free in ${folder}`,
      advice: 'Free some, or set FLEX_HOME elsewhere.',
    };
  },
  memory: async () => {
    const free = process.availableMemory?.() ?? freemem();
    if (free >= LEAST_MEMORY_BYTES) return ok(`${gibibytes(free)} available`);
    return {
      result: 'warning',
      detail: `only ${gibibytes(free)} available`,
      advice: 'A whole stack takes about 1 GiB.',
    };
  },
  'open files': async () => {
    const text = spawnSync('sh', ['-c', 'ulimit -n'], { encoding: 'utf8' }).stdout.trim();
    if (text === 'unlimited' || Number(text) >= LEAST_OPEN_FILES) return ok(text);
    return { result: 'warning', detail: text, advice: `Raise it: ulimit -n ${LEAST_OPEN_FILES * 16}.` };
  },
  'gateway port': (settings) => port(settings.gateway, 'FLEX_PORT', supervisorOf(settings.home) !== undefined),
  'nats port': (settings) => port(settings.nats, 'FLEX_NATS_PORT', supervisorOf(settings.home) !== undefined),
  'postgres port': (settings) => port(settings.postgres, 'FLEX_PG_PORT', supervisorOf(settings.home) !== undefined),
};

export async function main(argv: string[], env: NodeJS.ProcessEnv): Promise<number> {
  const settings = readSettings(env);
  const findings: Finding[] = [];
  for (const [name, check] of Object.entries(checks)) {
    try {
      findings.push({ name, ...(await check(settings, env)) });
    } catch (error) {
      if (!(error instanceof OperatorError)) throw error;
      findings.push({ name, result: 'problem', detail: error.message, advice: error.advice });
    }
  }
  const healthy = findings.every(({ result }) => result !== 'problem');
  if (argv.includes('--json')) {
    console.log(JSON.stringify({ healthy, findings }));
  } else {
    for (const { name, result, detail, advice } of findings) {
      console.log(`${result.padEnd(8)} ${name.padEnd(14)} ${detail}`);
      if (advice) console.log(`${' '.repeat(24)}${advice}`);
    }
  }
  return healthy ? 0 : 1;
}
