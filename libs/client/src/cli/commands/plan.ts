import type { PlanCause, PlanDiff, PlanGraph, RunView } from '@flex/contracts';
import type { CommandContext, CommandHandler } from '../command.js';
import { exitCodes } from '../exit-codes.js';
import { usage } from '../failure.js';
import type { Gateway } from '../gateway-http.js';
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
  const gateway = await context.gateway();
  const path = `/api/v1/flex/runs/${encodeURIComponent(context.args.positionals[0]!)}`;
  const range = context.args.text('diff');
  if (range !== undefined) return difference(context, gateway, path, range);
  if (context.args.flag('versions')) return versions(context, gateway, path);
  const version = versionOf(context.args.text('version'));
  const graph = await gateway.get<PlanGraph>(`${path}/plan`, { version });
  if (context.json) {
    context.terminal.json(graph);
    return exitCodes.ok;
  }
  return tree(context, graph, await gateway.get<RunView>(path));
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

async function versions(context: CommandContext, gateway: Gateway, path: string): Promise<number> {
  const { terminal } = context;
  const { items } = await gateway.get<{ items: VersionItem[] }>(`${path}/plan/versions`);
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

async function difference(context: CommandContext, gateway: Gateway, path: string, range: string): Promise<number> {
  const match = /^v?(\d+)(?:\.\.|[:,-])v?(\d+)$/.exec(range);
  if (!match) throw usage(`--diff is <from>..<to>, such as 1..2, not "${range}"`);
  const [from, to] = [versionOf(match[1]), versionOf(match[2])];
  const diff = await gateway.get<PlanDiff>(`${path}/plan/diff`, { from, to });
  if (context.json) {
    context.terminal.json(diff);
    return exitCodes.ok;
  }
  const { terminal } = context;
  const { paint } = terminal;
  const [before, after] = await Promise.all([
    gateway.get<PlanGraph>(`${path}/plan`, { version: from }),
    gateway.get<PlanGraph>(`${path}/plan`, { version: to }),
  ]);
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
