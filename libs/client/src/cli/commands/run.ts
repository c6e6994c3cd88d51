import type { TaskEnvelope } from '@flex/contracts';
import type { CommandHandler } from '../command.js';
import { exitCodes } from '../exit-codes.js';
import { follow } from '../follow.js';
import { checkEnvelope, readJson } from './envelope-file.js';

/** Submits an envelope and follows the run to its validated output. */
export const run: CommandHandler = async (context) => {
  const path = context.args.positionals[0]!;
  const envelope = await readJson(context, path);
  const flex = await context.flex({ start: true, beforeStart: () => checkEnvelope(envelope, path) });
  const idempotencyKey = context.args.text('idempotency-key');
  // Unchecked when a gateway runs: it judges by the same schema, and says more.
  const task = envelope as TaskEnvelope;
  if (!context.args.flag('detach')) {
    return follow(context, (options) => flex.runs.stream(task, { ...options, idempotencyKey }));
  }
  const created = await flex.runs.create(task, { idempotencyKey });
  if (context.json) context.terminal.json(created);
  else context.terminal.out(created.runId);
  return exitCodes.ok;
};
