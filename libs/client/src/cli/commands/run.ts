import { randomUUID } from 'node:crypto';
import type { CommandHandler } from '../command.js';
import { exitCodes } from '../exit-codes.js';
import { follow } from '../follow.js';
import { checkEnvelope, readJson } from './envelope-file.js';

/** Submits an envelope and follows the run to its validated output. */
export const run: CommandHandler = async (context) => {
  const path = context.args.positionals[0]!;
  const envelope = await readJson(context, path);
  const gateway = await context.gateway({ start: true, beforeStart: () => checkEnvelope(envelope, path) });
  const idempotencyKey = context.args.text('idempotency-key') ?? randomUUID();
  if (context.args.flag('detach')) {
    const created = await gateway.post<{ runId: string }>('/api/v1/flex/runs', envelope, {
      'idempotency-key': idempotencyKey,
    });
    if (context.json) context.terminal.json(created);
    else context.terminal.out(created.runId);
    return exitCodes.ok;
  }
  return follow(context, gateway, {
    submit: { path: '/api/v1/flex/run.stream', body: JSON.stringify(envelope), idempotencyKey },
  });
};
