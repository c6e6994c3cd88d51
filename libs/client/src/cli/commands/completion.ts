import type { CommandHandler } from '../command.js';
import { commands } from '../commands.js';
import { completionScript } from '../completion.js';
import { exitCodes } from '../exit-codes.js';

/** Prints a completion script for the shell to source. */
export const completion: CommandHandler = async ({ args, terminal }) => {
  terminal.out(completionScript(args.positionals[0]!, commands));
  return exitCodes.ok;
};
