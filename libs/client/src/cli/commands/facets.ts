import type { Facet } from '@flex/contracts';
import type { CommandContext, CommandHandler } from '../command.js';
import { exitCodes } from '../exit-codes.js';
import { outline } from '../views/outline.js';
import { table } from '../views/table.js';
import { readJson } from './envelope-file.js';
import { showItems } from './listing.js';

/** Lists the catalogue, shows one facet, or publishes some. */
export const facets: CommandHandler = async (context) => {
  const { args, terminal } = context;
  const [file, name] = [args.text('publish'), args.positionals[0]];
  if (file !== undefined) return publish(context, file);
  const flex = await context.flex();
  if (name !== undefined) {
    const facet = await flex.facets.get(name);
    if (context.json) terminal.json(facet);
    else for (const line of outline(facet, terminal.paint)) terminal.out(line);
    return exitCodes.ok;
  }
  const items = await flex.facets.list();
  return showItems(context, items, 'the catalogue is empty: start a worker, or --publish <file>', () => {
    const rows = items.map((facet) => [
      facet.name,
      `v${facet.version ?? 1}`,
      facet.direction,
      facet.extends ?? '–',
      facet.description ?? facet.title ?? '',
    ]);
    const lines = table(
      ['FACET', 'VERSION', 'DIRECTION', 'EXTENDS', 'WHAT'],
      rows,
      terminal.paint,
      terminal.stdout.columns,
    );
    for (const line of lines) terminal.out(line);
    return exitCodes.ok;
  });
};

async function publish(context: CommandContext, file: string): Promise<number> {
  const read = await readJson(context, file);
  const list = Array.isArray(read) ? (read as Facet[]) : ((read as { facets?: Facet[] }).facets ?? [read as Facet]);
  const flex = await context.flex();
  let answer = { revision: 0 };
  // In the order of the file: a facet comes before those that specialise it.
  for (const facet of list) answer = await flex.facets.publish(facet);
  if (context.json) context.terminal.json(answer);
  else
    context.terminal.out(
      `published ${list.length === 1 ? 'one facet' : `${list.length} facets`}, registry revision ${answer.revision}`,
    );
  return exitCodes.ok;
}
