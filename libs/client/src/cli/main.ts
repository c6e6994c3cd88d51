import { createRequire } from 'node:module';
import { parseArguments } from './arguments.js';
import type { CommandContext } from './command.js';
import { commands } from './commands.js';
import { launcherCommands } from './completion.js';
import { exitCodes } from './exit-codes.js';
import { nearest, usage, type Failure } from './failure.js';
import { commandHelp, overview } from './help.js';
import { toFailure } from './refusal.js';
import { findGateway } from './stack.js';
import { Terminal, type TextSink } from './terminal.js';

const { version: VERSION } = createRequire(import.meta.url)('../../package.json') as { version: string };

/** Where a command's words go to and come from; the process's own, or a test's. */
export interface Channels {
  stdout: TextSink;
  stderr: TextSink;
  stdin(): Promise<string>;
  interrupted: AbortSignal;
}

/** Runs one command line (without the program's name) and answers the exit code. Never throws. */
export async function main(argv: string[], env: NodeJS.ProcessEnv = process.env): Promise<number> {
  const interruption = new AbortController();
  const onInterrupt = (): void => {
    // Whoever presses Ctrl-C again does not want to wait for anything.
    if (interruption.signal.aborted) process.exit(exitCodes.interrupted);
    interruption.abort();
  };
  process.on('SIGINT', onInterrupt);
  // Left in place: the error of a closed pipe comes when the command has long returned.
  process.stdout.on('error', ignoreClosedPipe);
  process.stderr.on('error', ignoreClosedPipe);
  try {
    return await runCommand(argv, env, {
      stdout: process.stdout,
      stderr: process.stderr,
      stdin: readStandardInput,
      interrupted: interruption.signal,
    });
  } finally {
    process.off('SIGINT', onInterrupt);
  }
}

/** The same with channels of the caller's. */
export async function runCommand(argv: string[], env: NodeJS.ProcessEnv, channels: Channels): Promise<number> {
  const terminal = new Terminal(channels.stdout, channels.stderr, env);
  try {
    const [name, ...words] = argv;
    if (name === undefined || name === 'help' || name === '--help' || name === '-h') return help(words[0], terminal);
    if (name === '--version' || name === 'version') {
      terminal.out(`flex ${VERSION}`);
      return exitCodes.ok;
    }
    const command = commands.find((candidate) => candidate.name === name);
    if (!command) throw unknownCommand(name);
    const args = parseArguments(command, words);
    if (args.flag('help')) {
      terminal.out(commandHelp(command, terminal.paint));
      return exitCodes.ok;
    }
    const handle = await command.load();
    const context: CommandContext = {
      terminal,
      env,
      args,
      json: args.flag('json'),
      flex: (wish) => findGateway({ args, env, terminal, interrupted: channels.interrupted }, wish ?? {}),
      interrupted: channels.interrupted,
      stdin: channels.stdin,
    };
    return await handle(context);
  } catch (error) {
    return report(error, terminal, argv.includes('--json'));
  }
}

function help(name: string | undefined, terminal: Terminal): number {
  const command = name === undefined ? undefined : commands.find((candidate) => candidate.name === name);
  if (name !== undefined && !command) throw unknownCommand(name);
  terminal.out(command ? commandHelp(command, terminal.paint) : overview(commands, terminal.paint));
  return exitCodes.ok;
}

function unknownCommand(name: string): Failure {
  const meant = nearest(name, [...commands.map((command) => command.name), ...launcherCommands]);
  return usage(`unknown command "${name}"${meant ? `; did you mean ${meant}?` : ''}`, ['flex help lists the commands']);
}

/** One line, and what helps below it; a fault of ours is one line as well, for nobody can do anything with a stack. */
function report(error: unknown, terminal: Terminal, json: boolean): number {
  const failure = toFailure(error);
  if (json) {
    const { message, details, exitCode } = failure;
    terminal.err(JSON.stringify({ error: { message, details, exitCode } }));
    return exitCode;
  }
  terminal.err(`${terminal.paintErr('red', 'flex:')} ${failure.message}`);
  for (const detail of failure.details) terminal.err(`  ${detail}`);
  return failure.exitCode;
}

/** `flex runs | head -1` closes the pipe early: not worth a word. */
function ignoreClosedPipe(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EPIPE') throw error;
}

async function readStandardInput(): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of process.stdin) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString('utf8');
}
