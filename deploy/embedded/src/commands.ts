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

export const COMMANDS: readonly Command[] = [
  {
    name: 'up',
    usage: 'up [--detach] [--without a,b] [--scale worker=3]',
    summary: 'bring the embedded stack up',
    load: () => import('./commands/up.js'),
  },
  { name: 'down', usage: 'down', summary: 'take it down', load: () => import('./commands/down.js') },
  {
    name: 'status',
    usage: 'status [--json]',
    summary: 'what runs, and where',
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
    usage: 'rebuild',
    summary: 'drop read models and snapshots and make them again from the log',
    load: () => operator('rebuild'),
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
    usage: 'chaos [--seed n] [--runs n] [--kills n]',
    summary: 'kill and pause processes under load, and check every promise',
    load: () => loadFrom('e2e/dist/chaos/main.js'),
  },
];

/** The client's CLI; its `main` is given the command's name too. */
export const clientCli = (): Promise<CommandModule> => loadFrom('libs/client/dist/cli/index.js');
