import type { Accepted, ResolveBody } from '@flex/contracts';
import type { Flex } from '../../flex.js';
import type { CommandContext, CommandHandler } from '../command.js';
import { exitCodes } from '../exit-codes.js';
import { usage } from '../failure.js';
import { relative } from '../views/duration.js';
import { outline } from '../views/outline.js';
import { table } from '../views/table.js';
import { readJson } from './envelope-file.js';
import { showItems } from './listing.js';
import { limitOf, upTo } from './paging.js';

/** What people are asked, and their answers. */
export const tasks: CommandHandler = async (context) => {
  const [verb = 'list', taskId] = context.args.positionals;
  if (verb === 'list') return list(context);
  if (taskId === undefined) throw usage(`which task? flex tasks ${verb} <taskId>`, ['flex tasks lists the open ones']);
  if (verb === 'show') return show(context, taskId);
  const comment = context.args.text('comment');
  if (verb === 'decline') return send(context, (flex) => flex.tasks.decline(taskId, comment), `declined ${taskId}`);
  const answer: ResolveBody = { ...(await resolutionOf(context, verb)), comment };
  return send(context, (flex) => flex.tasks.resolve(taskId, answer), `answered ${taskId}: ${answer.resolution}`);
};

async function list(context: CommandContext): Promise<number> {
  const { args, terminal } = context;
  const flex = await context.flex();
  const filter = {
    status: args.text('status') ?? 'open',
    kind: args.text('kind'),
    runId: args.text('run'),
    role: args.text('role'),
  };
  const items = await upTo(limitOf(context), (limit) => flex.tasks.all({ ...filter, limit }));
  return showItems(context, items, 'nobody is asked anything', () => {
    const now = Date.now();
    const rows = items.map((task) => [
      task.taskId,
      task.kind,
      task.status === 'open' ? 'open' : (task.resolution ?? task.outcome ?? task.status),
      relative(Date.parse(task.requestedAt), now),
      task.dueAt === undefined ? '–' : relative(Date.parse(task.dueAt), now),
      task.prompt,
    ]);
    const lines = table(
      ['TASK', 'KIND', 'STATUS', 'ASKED', 'DUE', 'PROMPT'],
      rows,
      terminal.paint,
      terminal.stdout.columns,
    );
    for (const line of lines) terminal.out(line);
    return exitCodes.ok;
  });
}

async function show(context: CommandContext, taskId: string): Promise<number> {
  const flex = await context.flex();
  const task = await flex.tasks.get(taskId);
  if (context.json) context.terminal.json(task);
  else for (const line of outline(task, context.terminal.paint)) context.terminal.out(line);
  return exitCodes.ok;
}

async function resolutionOf(context: CommandContext, verb: string): Promise<ResolveBody> {
  const { args } = context;
  switch (verb) {
    case 'approve':
    case 'reject':
      return { resolution: verb };
    case 'edit': {
      const file = args.text('operations');
      if (file === undefined)
        throw usage('an edit needs --operations <file>: a JSON list of delta operations, or {"branches": […]}');
      const read = (await readJson(context, file)) as Pick<ResolveBody, 'operations' | 'branches'>;
      return { resolution: 'edit', ...(Array.isArray(read) ? { operations: read } : read) };
    }
    default: {
      const [file, text] = [args.text('output'), args.text('text')];
      if (file !== undefined) {
        return { resolution: 'output', output: (await readJson(context, file)) as ResolveBody['output'] };
      }
      if (text === undefined)
        throw usage('an answer needs --output <file> (value per facet) or --text <words>', [
          'Approvals and reviews take: flex tasks approve <taskId>, or reject',
        ]);
      return { resolution: 'answer', answer: text };
    }
  }
}

async function send(context: CommandContext, how: (flex: Flex) => Promise<Accepted>, said: string): Promise<number> {
  const accepted = await how(await context.flex());
  if (context.json) context.terminal.json(accepted);
  else context.terminal.out(said);
  return exitCodes.ok;
}
