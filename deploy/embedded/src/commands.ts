/**
 * Every command of the launcher and where it lives. The stack's own commands are here; `bench` and `chaos` belong to
 * the e2e package; all others (run, watch, tasks, plan, explain …) to the client's CLI, which knows them itself.
 * Modules are found by path at the moment of the call: this package depends on neither of them.
 */
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { CHECKOUT } from './checkout.js';
import { OperatorError } from './operator-error.js';
import { homeOf } from './settings.js';
import { readState } from './stack-state.js';

export interface CommandModule {
  /** Resolves with the exit code. */
  main(argv: string[], env: NodeJS.ProcessEnv): Promise<number>;
}

export interface Command {
  name: string;
  usage: string;
  summary: string;
  /** All that it takes, where that is but a few words; the others judge their arguments themselves. */
  takes?: readonly string[];
  load(): Promise<CommandModule>;
}

async function loadFrom(path: string): Promise<CommandModule> {
  const file = join(CHECKOUT, path);
  const module = (await import(pathToFileURL(file).href)) as Partial<CommandModule>;
  if (typeof module.main !== 'function') throw new OperatorError(`${path} exports no main`);
  return module as CommandModule;
}

/** Commands over the log of a running stack: told where its servers are, unless the environment says so already. */
async function operator(name: string): Promise<CommandModule> {
  const module = await loadFrom(`apps/orchestrator/dist/operator/${name}.js`);
  return {
    main: (argv, env) => {
      const state = readState(homeOf(env));
      return module.main(argv, {
        ...env,
        FLEX_URL: env['FLEX_URL'] ?? state?.url,
        NATS_URL: env['NATS_URL'] ?? state?.natsUrl,
        DATABASE_URL: env['DATABASE_URL'] ?? state?.databaseUrl,
      });
    },
  };
}

/** Each service migrates a schema of its own. */
async function migrate(env: NodeJS.ProcessEnv): Promise<number> {
  const databaseUrl = env['DATABASE_URL'] ?? readState(homeOf(env))?.databaseUrl;
  if (!databaseUrl)
    throw new OperatorError('there is no database to migrate', 'Set DATABASE_URL, or bring a stack up: ./flex up.');
  for (const service of ['gateway', 'orchestrator', 'registry']) {
    const { main } = await loadFrom(`apps/${service}/dist/migrate.js`);
    const code = await main([], { ...env, DATABASE_URL: databaseUrl });
    if (code !== 0) return code;
  }
  return 0;
}

export const COMMANDS: readonly Command[] = [
  {
    name: 'up',
    usage: 'up [--detach] [--without a,b] [--scale worker=3]',
    summary: 'bring the embedded stack up',
    load: () => import('./commands/up.js'),
  },
  { name: 'down', usage: 'down', summary: 'take it down', takes: [], load: () => import('./commands/down.js') },
  {
    name: 'status',
    usage: 'status [--json]',
    summary: 'what runs, and where',
    takes: ['--json'],
    load: () => import('./commands/status.js'),
  },
  {
    name: 'logs',
    usage: 'logs [service] [-f] [-n 50]',
    summary: 'what the processes say',
    load: () => import('./commands/logs.js'),
  },
  {
    name: 'test',
    usage: 'test [filter]',
    summary: 'types, lint, format and all tests; or only some',
    load: () => import('./commands/test.js'),
  },
  {
    name: 'doctor',
    usage: 'doctor [--json]',
    summary: 'check this machine, and say what to do',
    takes: ['--json'],
    load: () => import('./commands/doctor.js'),
  },
  {
    name: 'replay',
    usage: 'replay <runId> [--at seq | --version n] [--json]',
    summary: 'the state of a run at any point of its history',
    load: () => operator('replay'),
  },
  {
    name: 'verify',
    usage: 'verify <runId> [--json]',
    summary: 'prove that the history of a run is unaltered and complete',
    load: () => operator('verify'),
  },
  {
    name: 'rebuild',
    usage: 'rebuild [--json]',
    summary: 'drop read models and snapshots and make them again from the log',
    takes: ['--json'],
    load: () => operator('rebuild'),
  },
  {
    name: 'migrate',
    usage: 'migrate',
    summary: 'bring the tables of all services to their newest form',
    takes: [],
    load: async () => ({ main: (_argv, env) => migrate(env) }),
  },
  {
    name: 'backup',
    usage: 'backup <folder>',
    summary: 'copy log, archive and catalogue as of one moment, while everything runs',
    load: () => operator('backup'),
  },
  {
    name: 'restore',
    usage: 'restore <folder> [--replicas n]',
    summary: 'fill empty servers from a backup, before services are started',
    load: async () => ({
      main: async (argv, env) => (await migrate(env)) || (await operator('restore')).main(argv, env),
    }),
  },
  {
    name: 'dead-letters',
    usage: 'dead-letters [list] | show <n> | replay <n>  [--json]',
    summary: 'messages that nobody could process, and sending one again',
    load: () => operator('dead-letters'),
  },
  {
    name: 'bench',
    usage: 'bench [name] [--json]',
    summary: 'measure, beside the raw limits of this machine',
    load: () => loadFrom('e2e/dist/bench/main.js'),
  },
  {
    name: 'chaos',
    usage: 'chaos [--seed n] [--runs n] [--kills n] [--json]',
    summary: 'kill and pause processes under load, and check every promise',
    load: () => loadFrom('e2e/dist/chaos/main.js'),
  },
];

/** The client's CLI; its `main` is given the command's name too. */
export const clientCli = (): Promise<CommandModule> => loadFrom('libs/client/dist/cli/index.js');
