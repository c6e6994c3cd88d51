import type { Capability } from '@flex/contracts';
import type { CommandContext, CommandHandler } from '../command.js';
import { exitCodes } from '../exit-codes.js';
import { outline } from '../views/outline.js';
import { table } from '../views/table.js';
import { readJson } from './envelope-file.js';
import { showItems } from './listing.js';

/** Lists capabilities, shows one, registers some, or takes one out of service. */
export const capabilities: CommandHandler = async (context) => {
  const { args, terminal } = context;
  const [file, gone, wanted] = [args.text('register'), args.text('deregister'), args.positionals[0]];
  if (file !== undefined) return register(context, file);
  const flex = await context.flex();
  if (gone !== undefined) {
    const answer = await flex.capabilities.deregister(gone);
    if (context.json) terminal.json(answer);
    else terminal.out(`deregistered ${gone}`);
    return exitCodes.ok;
  }
  if (wanted !== undefined) {
    const capability = await flex.capabilities.get(wanted);
    if (context.json) terminal.json(capability);
    else for (const line of outline(capability, terminal.paint)) terminal.out(line);
    return exitCodes.ok;
  }
  const status = args.text('status') ?? 'all';
  const items = await flex.capabilities.list({ status });
  return showItems(context, items, 'no capability is registered: start a worker, or --register <file>', () => {
    const rows = items.map((capability) => [
      capability.capabilityId,
      capability.status,
      capability.health === undefined ? '1' : String(capability.health),
      capability.kind,
      capability.agentType,
      capability.outputFacets.join(', '),
      capability.inputFacets.map(({ facet, required }) => (required === false ? `${facet}?` : facet)).join(', '),
    ]);
    const headings = ['CAPABILITY', 'STATUS', 'HEALTH', 'KIND', 'AGENT', 'MAKES', 'FROM'];
    for (const line of table(headings, rows, terminal.paint, terminal.stdout.columns)) terminal.out(line);
    return exitCodes.ok;
  });
};

async function register(context: CommandContext, file: string): Promise<number> {
  const read = await readJson(context, file);
  const list = Array.isArray(read)
    ? (read as Capability[])
    : ((read as { capabilities?: Capability[] }).capabilities ?? [read as Capability]);
  const flex = await context.flex();
  let answer = { revision: 0 };
  for (const capability of list) answer = await flex.capabilities.register(capability);
  if (context.json) context.terminal.json(answer);
  else
    context.terminal.out(
      `registered ${list.length === 1 ? 'one capability' : `${list.length} capabilities`}, registry revision ${answer.revision}`,
    );
  return exitCodes.ok;
}
