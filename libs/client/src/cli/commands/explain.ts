import type { CommandHandler } from '../command.js';
import { exitCodes } from '../exit-codes.js';
import { outline } from '../views/outline.js';

/** Why the plan is as it is, and planned against actual: the gateway tells it from the log alone. */
export const explain: CommandHandler = async (context) => {
  const [runId, node] = context.args.positionals;
  const flex = await context.flex();
  const told = await flex.runs.explain(runId!, node);
  if (context.json) context.terminal.json(told);
  else for (const line of outline(told, context.terminal.paint)) context.terminal.out(line);
  return exitCodes.ok;
};
