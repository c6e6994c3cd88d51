import type { Paint, TextSink } from '../terminal.js';
import { duration } from './duration.js';
import { nodeGlyphs, runColours } from './glyphs.js';
import { planTree, type TreeNode } from './plan-tree.js';
import { countOf, ended, type RunView } from './run-view.js';
import { fit } from './table.js';

const spinner = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'];

/** The lines of a live picture of a run: a heading, the plan with its nodes' states, what people are asked. */
export function screenLines(
  view: RunView,
  now: number,
  size: { columns: number; rows: number },
  paint: Paint,
): string[] {
  const lines = [heading(view, now, paint)];
  if (view.nodes.length > 0) {
    const room = Math.max(3, size.rows - 4 - view.openTasks.size);
    const { nodes, hidden } = worthShowing(view, room);
    lines.push(
      ...planTree(
        { nodes, edges: view.edges },
        {
          paint,
          predecessors: false,
          status: (id) => view.byNode.get(id)?.status ?? 'pending',
          note: (node) => noteOf(view, node, now, paint),
        },
      ),
    );
    if (hidden > 0) lines.push(paint('dim', `… and ${hidden} more nodes`));
  }
  for (const task of view.openTasks.values()) {
    lines.push(
      `${paint('yellow', '?')} ${fit(task.prompt, 120)} ${paint('dim', `(${task.kind}, task ${task.taskId})`)}`,
    );
  }
  return lines;
}

function heading(view: RunView, now: number, paint: Paint): string {
  const sign = ended(view)
    ? view.status === 'completed'
      ? paint('green', '✓')
      : paint('red', '✗')
    : paint('cyan', spinner[Math.floor(now / 80) % spinner.length]!);
  const parts = [`run ${view.runId ?? '…'}`, paint(runColours[view.status], view.status.replaceAll('_', ' '))];
  if (view.planVersion !== undefined) parts.push(`plan v${view.planVersion}`);
  if (view.nodes.length > 0) parts.push(`${countOf(view, 'completed')}/${view.nodes.length} nodes`);
  if (view.startedAt !== undefined) parts.push(duration((view.endedAt ?? now) - view.startedAt));
  return `${sign} ${parts.join(paint('dim', ' · '))}`;
}

function noteOf(view: RunView, node: TreeNode, now: number, paint: Paint): string | undefined {
  const state = view.byNode.get(node.id);
  if (!state) return undefined;
  const parts: string[] = [];
  if (state.startedAt !== undefined) parts.push(duration(Math.max(0, (state.endedAt ?? now) - state.startedAt)));
  if ((state.attempt ?? 1) > 1) parts.push(`attempt ${state.attempt}`);
  if (state.status === 'running' && state.fraction !== undefined) parts.push(`${Math.round(state.fraction * 100)} %`);
  if (state.status === 'running' && state.message) parts.push(fit(state.message, 60));
  const [, colour] = nodeGlyphs[state.status];
  return parts.length === 0 ? undefined : paint(colour, parts.join(' · '));
}

/** With more nodes than lines, those that are at work or in trouble come first. */
function worthShowing(view: RunView, room: number): { nodes: TreeNode[]; hidden: number } {
  if (view.nodes.length <= room) return { nodes: view.nodes, hidden: 0 };
  const rank = (node: TreeNode): number => {
    switch (view.byNode.get(node.id)?.status) {
      case 'failed':
      case 'awaiting_human':
        return 0;
      case 'running':
        return 1;
      case undefined:
      case 'pending':
      case 'ready':
        return 2;
      default:
        return 3;
    }
  };
  const chosen = new Set(view.nodes.toSorted((a, b) => rank(a) - rank(b)).slice(0, room));
  return { nodes: view.nodes.filter((node) => chosen.has(node)), hidden: view.nodes.length - chosen.size };
}

/** Repaints a block of lines in place. */
export class LiveScreen {
  private painted = 0;

  constructor(private readonly sink: TextSink) {}

  paint(lines: readonly string[]): void {
    const columns = this.sink.columns ?? 100;
    const cut = lines.map((line) => clip(line, columns - 1));
    this.sink.write(`${this.up()}${cut.map((line) => `\u001b[2K${line}\n`).join('')}\u001b[0J`);
    this.painted = cut.length;
  }

  clear(): void {
    if (this.painted > 0) this.sink.write(`${this.up()}\u001b[0J`);
    this.painted = 0;
  }

  private up(): string {
    return this.painted > 0 ? `\u001b[${this.painted}A\r` : '';
  }
}

/** Cuts a line to its visible width without cutting through a colour code: a wrapped line would break repainting. */
export function clip(line: string, columns: number): string {
  let visible = 0;
  let out = '';
  for (const part of line.split(/(\u001b\[[0-9;]*m)/)) {
    if (part.startsWith('\u001b[')) out += part;
    else {
      const room = Math.max(0, columns - visible);
      out += part.slice(0, room);
      visible += part.length;
    }
  }
  return out;
}
