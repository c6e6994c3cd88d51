/**
 * Every command of the launcher and where it lives. The stack's own commands are here; `bench` and `chaos` belong to
 * the e2e package; all others (run, watch, tasks, plan, explain …) to the client's CLI, which knows them itself.
 * Modules are found by path at the moment of the call: this package depends on neither of them.
 */
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { CHECKOUT } from './checkout.js';
import { OperatorError } from './operator-error.js';

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
    name: 'bench',
    usage: 'bench [name] [--json]',
    summary: 'measure, beside the raw limits of this machine',
    load: () => loadFrom('e2e/dist/bench/main.js'),
  },
  {
    name: 'chaos',
    usage: 'chaos [--seed n]',
    summary: 'kill and pause processes under load, and check every promise',
    load: () => loadFrom('e2e/dist/chaos/main.js'),
  },
];

/** The client's CLI; its `main` is given the command's name too. */
export const clientCli = (): Promise<CommandModule> => loadFrom('libs/client/dist/cli/index.js');
