import type { CommandHandler } from '../command.js';
import { exitCodes } from '../exit-codes.js';
import { usage } from '../failure.js';
import { duration, relative } from '../views/duration.js';
import { table } from '../views/table.js';
import { showItems } from './listing.js';
import { limitOf, upTo } from './paging.js';

/** Lists runs. */
export const runs: CommandHandler = async (context) => {
  const { args, terminal } = context;
  const flex = await context.flex();
  const items = await upTo(limitOf(context), (limit) =>
    flex.runs.all({
      status: args.text('status'),
      threadId: args.text('thread'),
      label: args.texts('label').map(labelOf),
      limit,
    }),
  );
  return showItems(context, items, 'no runs yet: flex run examples/linkedin-variants.json', () => {
    const now = Date.now();
    const rows = items.map((run) => [
      run.runId,
      run.openTasks > 0 ? `${run.status} (${run.openTasks})` : run.status,
      run.planVersion === undefined ? '–' : `v${run.planVersion}`,
      relative(Date.parse(run.submittedAt), now),
      run.endedAt === undefined ? '–' : duration(Date.parse(run.endedAt) - Date.parse(run.submittedAt)),
      run.objective,
    ]);
    const lines = table(
      ['RUN', 'STATUS', 'PLAN', 'SUBMITTED', 'TOOK', 'OBJECTIVE'],
      rows,
      terminal.paint,
      terminal.stdout.columns,
    );
    for (const line of lines) terminal.out(line);
    return exitCodes.ok;
  });
};

function labelOf(text: string): string {
  const cut = text.search(/[=:]/);
  if (cut < 1) throw usage(`--label is <name>=<value>, not "${text}"`);
  return `${text.slice(0, cut)}:${text.slice(cut + 1)}`;
}
