import type { CommandHandler } from '../command.js';
import { follow } from '../follow.js';

/** Follows a run that exists, from its first frame. */
export const watch: CommandHandler = async (context) =>
  follow(context, await context.gateway(), { runId: context.args.positionals[0]! });
