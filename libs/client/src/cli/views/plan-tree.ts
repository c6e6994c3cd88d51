import type { NodeStatus, PlanEdge, PlanNode } from '@flex/contracts';
import { plain, type Paint } from '../terminal.js';
import { nodeGlyphs } from './glyphs.js';

/** The part of a plan that the tree shows. */
export type TreeNode = Pick<PlanNode, 'id' | 'kind' | 'label'> &
  Partial<Pick<PlanNode, 'capabilityId' | 'derivedFrom' | 'agentType' | 'branchId'>>;
export interface Tree {
  nodes: readonly TreeNode[];
  edges: readonly Pick<PlanEdge, 'from' | 'to'>[];
}

export interface TreeOptions {
  paint?: Paint;
  status?: (nodeId: string) => NodeStatus | undefined;
  /** Text behind a node: elapsed time, progress, what changed. */
  note?: (node: TreeNode) => string | undefined;
  /** Sign before a node, instead of its status. */
  sign?: (node: TreeNode) => string;
  /** Names the further predecessors of a node; default true. */
  predecessors?: boolean;
  /** Nodes to show; a note says how many were left out. */
  limit?: number;
}

/**
 * A graph as a tree: each node stands once, under the last of its predecessors in the longest chain, so that nothing
 * is shown before what it waits for; further predecessors are named behind it.
 */
export function planTree(tree: Tree, options: TreeOptions = {}): string[] {
  const paint = options.paint ?? plain;
  const limit = options.limit ?? Number.POSITIVE_INFINITY;
  const { children, roots, parents } = arrange(tree);
  const byId = new Map(tree.nodes.map((node) => [node.id, node]));
  const lines: string[] = [];
  let shown = 0;

  // An own stack instead of recursion: a chain of thousands of nodes is a plan as well.
  const stack: { id: string; lead: string; last: boolean; root: boolean }[] = [];
  const push = (ids: readonly string[], lead: string, root: boolean): void => {
    for (let i = ids.length - 1; i >= 0; i--) stack.push({ id: ids[i]!, lead, last: i === ids.length - 1, root });
  };
  push(roots, '', true);
  while (stack.length > 0 && shown < limit) {
    const { id, lead, last, root } = stack.pop()!;
    const node = byId.get(id)!;
    const inner = children.get(id) ?? [];
    const others = (parents.get(id) ?? []).slice(1);
    const arm = root ? '' : last ? '└─ ' : '├─ ';
    lines.push(`${paint('dim', lead + arm)}${nodeLine(node, others, options, paint)}`);
    shown += 1;
    push(inner, root ? '' : indent(lead + (last ? '   ' : '│  ')), false);
  }
  if (shown < tree.nodes.length) lines.push(paint('dim', `… and ${tree.nodes.length - shown} more nodes`));
  return lines;
}

/** Deep chains stop moving to the right, or nothing of them would be seen. */
const indent = (lead: string): string => (lead.length <= 45 ? lead : `${lead.slice(0, 42)} ⋯ `);

function nodeLine(node: TreeNode, others: readonly string[], options: TreeOptions, paint: Paint): string {
  const status = options.status?.(node.id);
  const [glyph, colour] = nodeGlyphs[status ?? 'pending'];
  const sign = options.sign ? options.sign(node) : status ? paint(colour, glyph) : '•';
  const done = status === 'skipped' || status === 'cancelled';
  const parts = [`${sign} ${done ? paint('dim', node.label) : node.label}`];
  const note = options.note?.(node);
  if (note) parts.push(note);
  parts.push(paint('dim', `${node.kind} · ${performerOf(node)}${node.branchId ? ` · branch ${node.branchId}` : ''}`));
  if (others.length > 0 && options.predecessors !== false)
    parts.push(paint('dim', `(also after ${others.join(', ')})`));
  return parts.join('  ');
}

/** Who does the node's work. */
function performerOf(node: TreeNode): string {
  if (node.capabilityId !== undefined) return node.capabilityId;
  if (node.derivedFrom !== undefined) return `${node.derivedFrom} (a weak match)`;
  return node.kind === 'fallback' || node.agentType === 'human' ? 'a person' : 'engine';
}

/** Puts each node under one predecessor: the deepest that is no stand-in for another. */
function arrange(tree: Tree): { roots: string[]; children: Map<string, string[]>; parents: Map<string, string[]> } {
  const ids = new Set(tree.nodes.map((node) => node.id));
  const edges = tree.edges.filter((edge) => ids.has(edge.from) && ids.has(edge.to));
  const before = new Map<string, string[]>();
  const after = new Map<string, string[]>();
  for (const { from, to } of edges) {
    append(before, to, from);
    append(after, from, to);
  }
  const waiting = new Map(tree.nodes.map((node) => [node.id, before.get(node.id)?.length ?? 0]));
  const depth = new Map<string, number>();
  const queue = tree.nodes.filter((node) => waiting.get(node.id) === 0).map((node) => node.id);
  const roots = [...queue];
  for (const id of queue) depth.set(id, 0);
  for (let i = 0; i < queue.length; i++) {
    const id = queue[i]!;
    for (const next of after.get(id) ?? []) {
      depth.set(next, Math.max(depth.get(next) ?? 0, depth.get(id)! + 1));
      const left = waiting.get(next)! - 1;
      waiting.set(next, left);
      if (left === 0) queue.push(next);
    }
  }
  // What is left lies on a cycle; a valid plan has none, a refused draft may.
  for (const node of tree.nodes) if (!depth.has(node.id) || waiting.get(node.id)! > 0) roots.push(node.id);

  const children = new Map<string, string[]>();
  const parents = new Map<string, string[]>();
  const rooted = new Set(roots);
  const standIns = new Set(tree.nodes.filter((node) => node.kind === 'fallback').map((node) => node.id));
  for (const id of queue) {
    const ordered = (before.get(id) ?? []).toSorted(
      (a, b) => Number(standIns.has(a)) - Number(standIns.has(b)) || depth.get(b)! - depth.get(a)!,
    );
    parents.set(id, ordered);
    const parent = ordered[0];
    if (parent !== undefined && !rooted.has(id)) append(children, parent, id);
  }
  return { roots, children, parents };
}

function append(lists: Map<string, string[]>, key: string, value: string): void {
  const list = lists.get(key);
  if (list) list.push(value);
  else lists.set(key, [value]);
}
