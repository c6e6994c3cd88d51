import type { PlanCause, PlanGraph, RunView } from '@flex/contracts';
import type { CommandContext, CommandHandler } from '../command.js';
import { exitCodes } from '../exit-codes.js';
import { usage } from '../failure.js';
import type { Flex } from '../../flex.js';
import { duration, relative } from '../views/duration.js';
import { planTree, type TreeNode } from '../views/plan-tree.js';
import { table } from '../views/table.js';

interface VersionItem {
  version: number;
  cause: PlanCause;
  nodes: number;
  at: string;
}

/** Shows a plan: one version as a tree, all versions, or what changed between two. */
export const plan: CommandHandler = async (context) => {
  const flex = await context.flex();
  const runId = context.args.positionals[0]!;
  const range = context.args.text('diff');
  if (range !== undefined) return difference(context, flex, runId, range);
  if (context.args.flag('versions')) return versions(context, flex, runId);
  const version = versionOf(context.args.text('version'));
  const graph = await flex.plan.get(runId, version);
  if (context.json) {
    context.terminal.json(graph);
    return exitCodes.ok;
  }
  return tree(context, graph, await flex.runs.get(runId));
};

/** An older version is shown without states: they belong to the latest. */
function tree({ terminal }: CommandContext, graph: PlanGraph, run: RunView): number {
  const { paint } = terminal;
  const latest = run.planVersion === graph.version;
  const cause = [graph.cause.kind, graph.cause.policyId, graph.cause.rationale].filter(Boolean).join(', ');
  terminal.out(
    `${paint('bold', `plan v${graph.version}`)} ${paint('dim', `(${cause}) · ${graph.nodes.length} nodes · registry revision ${graph.metadata.registryRevision}`)}`,
  );
  const lines = planTree(graph, {
    paint,
    status: latest ? (id) => run.nodes[id]?.status ?? 'pending' : undefined,
    note: (node) => {
      const state = latest ? run.nodes[node.id] : undefined;
      return state?.durationMs === undefined ? undefined : paint('dim', duration(state.durationMs));
    },
  });
  for (const line of lines) terminal.out(line);
  return exitCodes.ok;
}

async function versions(context: CommandContext, flex: Flex, runId: string): Promise<number> {
  const { terminal } = context;
  const items = (await flex.plan.versions(runId)) as VersionItem[];
  if (context.json) for (const item of items) terminal.out(JSON.stringify(item));
  else {
    const now = Date.now();
    const rows = items.map((item) => [
      `v${item.version}`,
      item.cause.kind,
      String(item.nodes),
      relative(Date.parse(item.at), now),
      [item.cause.policyId, item.cause.nodeId, item.cause.rationale].filter(Boolean).join(', '),
    ]);
    const lines = table(['VERSION', 'CAUSE', 'NODES', 'MADE', 'WHY'], rows, terminal.paint, terminal.stdout.columns);
    for (const line of lines) terminal.out(line);
  }
  return exitCodes.ok;
}

async function difference(context: CommandContext, flex: Flex, runId: string, range: string): Promise<number> {
  const match = /^v?(\d+)(?:\.\.|[:,-])v?(\d+)$/.exec(range);
  if (!match) throw usage(`--diff is <from>..<to>, such as 1..2, not "${range}"`);
  const [from, to] = [versionOf(match[1]), versionOf(match[2])];
  const diff = await flex.plan.diff(runId, from, to);
  if (context.json) {
    context.terminal.json(diff);
    return exitCodes.ok;
  }
  const { terminal } = context;
  const { paint } = terminal;
  const [before, after] = await Promise.all([flex.plan.get(runId, from), flex.plan.get(runId, to)]);
  terminal.out(paint('bold', `plan v${from} → v${to}`));
  const [added, changed] = [new Set(diff.added), new Set(diff.changed)];
  const sign = (node: TreeNode): string =>
    added.has(node.id) ? paint('green', '+') : changed.has(node.id) ? paint('yellow', '~') : ' ';
  for (const line of planTree(after, { paint, sign })) terminal.out(line);
  for (const id of diff.removed) {
    const node = before.nodes.find((candidate) => candidate.id === id);
    terminal.out(
      `${paint('red', '-')} ${node?.label ?? id}  ${paint('dim', `${node?.kind ?? ''} · ${node?.capabilityId ?? 'engine'}`)}`,
    );
  }
  return exitCodes.ok;
}

function versionOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const version = Number(text);
  if (!Number.isInteger(version) || version < 1) throw usage(`a plan version is 1, 2, …, not "${text}"`);
  return version;
}
