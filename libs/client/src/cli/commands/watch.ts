import type { CommandHandler } from '../command.js';
import { follow } from '../follow.js';

/** Follows a run that exists, from its first frame. */
export const watch: CommandHandler = async (context) => {
  const runId = context.args.positionals[0]!;
  const flex = await context.flex();
  return follow(context, (options) => flex.runs.watch(runId, options), runId);
};
