/** What the operator decides about a stack: read once, from the environment and the command line. */
import { resolve } from 'node:path';
import { CHECKOUT } from './checkout.js';
import type { SyncMode } from './nats-server.js';
import { UsageError } from './operator-error.js';

export const SERVICES = ['gateway', 'planner', 'orchestrator', 'registry', 'policy', 'worker'] as const;
export type ServiceName = (typeof SERVICES)[number];

export interface PortChoice {
  port: number;
  /** Given by the operator: then a taken port is an error, else another is picked. */
  explicit: boolean;
}

export interface StackSettings {
  home: string;
  gateway: PortChoice;
  nats: PortChoice;
  postgres: PortChoice;
  sync: SyncMode;
  /** Servers that run already and are used as they are. */
  natsUrl?: string;
  databaseUrl?: string;
  /** How many processes of each service; 0 = none. */
  replicas: Record<ServiceName, number>;
  /** Runs this JavaScript file for every service; `{service}` stands for its name. Default: the services themselves. */
  entry?: string;
  /** Bundled services start faster; plain ones have source maps. */
  bundled: boolean;
  startTimeoutMs: number;
  /** How long a service may drain before it is killed. */
  stopTimeoutMs: number;
}

export interface StackChoices {
  without?: readonly string[];
  scale?: Readonly<Record<string, number>>;
}

const isService = (name: string): name is ServiceName => (SERVICES as readonly string[]).includes(name);

function checkService(name: string): ServiceName {
  if (isService(name)) return name;
  throw new UsageError(`there is no service "${name}"`, `Services: ${SERVICES.join(', ')}.`);
}

function wholeNumber(name: string, text: string, least: number, most: number): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= least && value <= most) return value;
  throw new UsageError(`${name}=${text} is not a whole number between ${least} and ${most}`);
}

const portOf = (env: NodeJS.ProcessEnv, name: string, usual: number): PortChoice =>
  env[name] ? { port: wholeNumber(name, env[name], 1, 65_535), explicit: true } : { port: usual, explicit: false };

function syncOf(env: NodeJS.ProcessEnv): SyncMode {
  const mode = env.FLEX_SYNC ?? 'always';
  if (mode === 'always' || mode === 'default') return mode;
  throw new UsageError(
    `FLEX_SYNC=${mode} is unknown`,
    'It is "always" (fsync before every acknowledgement) or "default".',
  );
}

export const homeOf = (env: NodeJS.ProcessEnv): string => resolve(env.FLEX_HOME || resolve(CHECKOUT, '.flex'));

export function readSettings(env: NodeJS.ProcessEnv, choices: StackChoices = {}): StackSettings {
  const replicas = Object.fromEntries(SERVICES.map((name) => [name, 1])) as Record<ServiceName, number>;
  for (const [name, count] of Object.entries(choices.scale ?? {})) replicas[checkService(name)] = count;
  for (const name of choices.without ?? []) replicas[checkService(name)] = 0;
  return {
    home: homeOf(env),
    gateway: portOf(env, 'FLEX_PORT', 7700),
    nats: portOf(env, 'FLEX_NATS_PORT', 7722),
    postgres: portOf(env, 'FLEX_PG_PORT', 7732),
    sync: syncOf(env),
    natsUrl: env.NATS_URL || undefined,
    databaseUrl: env.DATABASE_URL || undefined,
    replicas,
    entry: env.FLEX_SERVICE_ENTRY || undefined,
    bundled: env.FLEX_BUNDLE !== '0',
    startTimeoutMs: wholeNumber('FLEX_START_TIMEOUT', env.FLEX_START_TIMEOUT || '60', 1, 3_600) * 1_000,
    stopTimeoutMs: wholeNumber('FLEX_STOP_TIMEOUT', env.FLEX_STOP_TIMEOUT || '10', 1, 3_600) * 1_000,
  };
}

/** `--without a,b --scale worker=3,gateway=2` and nothing else; what is left over is returned. */
export function readChoices(argv: readonly string[]): { choices: StackChoices; rest: string[] } {
  const without: string[] = [];
  const scale: Record<string, number> = {};
  const rest: string[] = [];
  for (let i = 0; i < argv.length; i += 1) {
    const [flag, inline] = (argv[i] as string).split(/=(.*)/s) as [string, string?];
    if (flag !== '--without' && flag !== '--scale') {
      rest.push(argv[i] as string);
      continue;
    }
    const value = inline ?? argv[(i += 1)];
    if (!value) throw new UsageError(`${flag} needs a value`);
    for (const item of value.split(',')) {
      if (flag === '--without') {
        without.push(checkService(item));
        continue;
      }
      const [name, count] = item.split('=');
      scale[checkService(name ?? '')] = wholeNumber(`--scale ${name}`, count ?? '', 0, 64);
    }
  }
  return { choices: { without, scale }, rest };
}
