import type { CommandContext, CommandHandler } from '../command.js';
import { exitCodes } from '../exit-codes.js';
import { usage } from '../failure.js';
import { readJson } from './envelope-file.js';

const runPath = (runId: string, action: string): string => `/api/v1/flex/runs/${encodeURIComponent(runId)}/${action}`;

/** Posts a wish about a run; the gateway answers when it is in the log. */
async function wish(
  context: CommandContext,
  action: string,
  body: Record<string, unknown>,
  said: string,
): Promise<number> {
  const runId = context.args.positionals[0]!;
  const gateway = await context.gateway();
  const answer = await gateway.post<unknown>(runPath(runId, action), body);
  if (context.json) context.terminal.json(answer ?? { runId });
  else context.terminal.out(`${said} ${runId}`);
  return exitCodes.ok;
}

const reasonOf = (context: CommandContext): Record<string, unknown> => {
  const reason = context.args.text('reason');
  return reason === undefined ? {} : { reason };
};

export const cancel: CommandHandler = (context) => wish(context, 'cancel', reasonOf(context), 'cancelling');
export const pause: CommandHandler = (context) => wish(context, 'pause', reasonOf(context), 'pausing');

export const resume: CommandHandler = (context) => {
  const version = versionOf(context, 'expect-version');
  return wish(context, 'resume', version === undefined ? {} : { expectedPlanVersion: version }, 'resuming');
};

/** A manual trigger, a metric, or a message with facets; exactly one of them. */
export const signal: CommandHandler = async (context) => {
  const { args } = context;
  const [policyId, metric, message, facets] = ['policy', 'metric', 'message', 'facets'].map((name) => args.text(name));
  if ([policyId, metric, message ?? facets].filter((given) => given !== undefined).length !== 1) {
    throw usage('a signal is one of --policy <id>, --metric <name>=<number>, or --message <text> (with --facets)');
  }
  if (policyId !== undefined) return wish(context, 'signal', { kind: 'manual', policyId }, 'signalled');
  if (metric !== undefined) return wish(context, 'signal', { kind: 'metric', ...metricOf(metric) }, 'signalled');
  const body = {
    kind: 'message',
    message,
    facets: facets === undefined ? undefined : await readJson(context, facets),
    replan: args.flag('replan') || undefined,
  };
  return wish(context, 'signal', body, 'signalled');
};

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
  const { args } = context;
  const file = args.text('operations');
  const body: Record<string, unknown> = {
    rationale: args.text('rationale'),
    baseVersion: versionOf(context, 'base-version'),
  };
  if (file !== undefined) {
    const read = await readJson(context, file);
    body['operations'] = Array.isArray(read) ? read : (read as { operations?: unknown }).operations;
  }
  return wish(context, 'replan', body, 'replanning');
};

function versionOf(context: CommandContext, option: string): number | undefined {
  const text = context.args.text(option);
  if (text === undefined) return undefined;
  const version = Number(text);
  if (!Number.isInteger(version) || version < 1) throw usage(`--${option} is a plan version (1, 2, …), not "${text}"`);
  return version;
}
