import type { Accepted, DeltaOperation } from '@flex/contracts';
import type { Flex, Signal } from '../../flex.js';
import type { CommandContext, CommandHandler } from '../command.js';
import { exitCodes } from '../exit-codes.js';
import { usage } from '../failure.js';
import { readJson } from './envelope-file.js';

/** Sends a wish about a run; the gateway answers when it is in the log. */
async function wish(
  context: CommandContext,
  said: string,
  send: (flex: Flex, runId: string) => Promise<Accepted>,
): Promise<number> {
  const runId = context.args.positionals[0]!;
  const accepted = await send(await context.flex(), runId);
  if (context.json) context.terminal.json(accepted);
  else context.terminal.out(`${said} ${runId}`);
  return exitCodes.ok;
}

export const cancel: CommandHandler = (context) =>
  wish(context, 'cancelling', (flex, runId) => flex.runs.cancel(runId, context.args.text('reason')));

export const pause: CommandHandler = (context) =>
  wish(context, 'pausing', (flex, runId) => flex.runs.pause(runId, context.args.text('reason')));

export const resume: CommandHandler = async (context) => {
  const version = versionOf(context, 'expect-version');
  return wish(context, 'resuming', (flex, runId) => flex.runs.resume(runId, version));
};

/** A manual trigger, a metric, or a message with facets; exactly one of them. */
export const signal: CommandHandler = async (context) => {
  const told = await signalOf(context);
  return wish(context, 'signalled', (flex, runId) => flex.runs.signal(runId, told));
};

async function signalOf(context: CommandContext): Promise<Signal> {
  const { args } = context;
  const [policyId, metric, message, facets] = ['policy', 'metric', 'message', 'facets'].map((name) => args.text(name));
  if ([policyId, metric, message ?? facets].filter((given) => given !== undefined).length !== 1) {
    throw usage('a signal is one of --policy <id>, --metric <name>=<number>, or --message <text> (with --facets)');
  }
  if (policyId !== undefined) return { kind: 'manual', policyId };
  if (metric !== undefined) return { kind: 'metric', ...metricOf(metric) };
  return {
    kind: 'message',
    message,
    facets: facets === undefined ? undefined : ((await readJson(context, facets)) as Signal['facets']),
    replan: args.flag('replan') || undefined,
  };
}

function metricOf(text: string): { metric: string; value: number } {
  const equals = text.lastIndexOf('=');
  const value = Number(text.slice(equals + 1));
  if (equals < 1 || text.slice(equals + 1).trim() === '' || !Number.isFinite(value)) {
    throw usage(`--metric is <name>=<number>, not "${text}"`);
  }
  return { metric: text.slice(0, equals), value };
}

/** Asks the planner for a new version, or edits the plan with operations from a file. */
export const replan: CommandHandler = async (context) => {
  const file = context.args.text('operations');
  const base = versionOf(context, 'base-version');
  if (file === undefined) {
    return wish(context, 'replanning', (flex, runId) => flex.runs.replan(runId, context.args.text('rationale')));
  }
  const read = (await readJson(context, file)) as DeltaOperation[] | { operations?: DeltaOperation[] };
  const operations = Array.isArray(read) ? read : (read.operations ?? []);
  return wish(context, 'editing the plan of', async (flex, runId) => {
    const version = base ?? (await flex.runs.get(runId)).planVersion ?? 1;
    return flex.runs.edit(runId, version, operations);
  });
};

/** Starts a new run with what another had at a point of its history. */
export const fork: CommandHandler = async (context) => {
  const at = context.args.text('at');
  const fromSeq = at === undefined ? undefined : Number.parseInt(at, 10);
  if (fromSeq !== undefined && !(fromSeq > 0)) throw usage(`--at is a sequence of the log, not "${at}"`);
  const { runId } = await (await context.flex()).runs.fork(context.args.positionals[0]!, { fromSeq });
  if (context.json) context.terminal.json({ runId });
  else context.terminal.out(runId);
  return exitCodes.ok;
};

function versionOf(context: CommandContext, option: string): number | undefined {
  const text = context.args.text(option);
  if (text === undefined) return undefined;
  const version = Number(text);
  if (!Number.isInteger(version) || version < 1) throw usage(`--${option} is a plan version (1, 2, …), not "${text}"`);
  return version;
}
