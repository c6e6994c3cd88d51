import { setInterval } from 'node:timers';
import type { Frame } from '@flex/contracts';
import { FlexUnreachable } from '../problem-error.js';
import type { StreamOptions } from '../frame-stream.js';
import type { CommandContext } from './command.js';
import { exitCodes } from './exit-codes.js';
import { duration } from './views/duration.js';
import { frameLine } from './views/frame-line.js';
import { LiveScreen, screenLines } from './views/live-screen.js';
import { emptyRunView, ended, observe, type RunView } from './views/run-view.js';

/** How often the picture is repainted while nothing happens: the elapsed time moves on. */
const REPAINT_MS = 100;
/** Attempts in a row to reach a gateway that was there a moment ago; together about a minute. */
const RECONNECTS = 12;

/**
 * Follows a run to its end: JSON lines for programs, a live picture on a terminal, a log line per frame elsewhere.
 * The validated output goes to stdout; all else to stderr.
 */
export async function follow(
  context: CommandContext,
  open: (options: StreamOptions) => AsyncIterable<Frame>,
  runId?: string,
): Promise<number> {
  const view = emptyRunView();
  view.runId = runId;
  const show = context.json ? jsonLines(context) : context.args.flag('quiet') ? quietly : progress(context, view);
  try {
    const frames = open({
      signal: context.interrupted,
      maxRetries: RECONNECTS,
      onReconnect: ({ attempt, reason, error }) => {
        // The first connection either comes about or the user is told so at once.
        if (view.events === 0) throw error ?? new FlexUnreachable(reason);
        if (!context.json && attempt === 2) context.terminal.err('connection lost, reconnecting …');
      },
    });
    for await (const frame of frames) {
      observe(view, frame);
      show.frame(frame);
    }
  } finally {
    show.end();
  }
  return conclude(context, view);
}

interface Show {
  frame(frame: Parameters<typeof observe>[1]): void;
  end(): void;
}

const quietly: Show = { frame: () => undefined, end: () => undefined };

const jsonLines = ({ terminal }: CommandContext): Show => ({
  // Never indented, whatever stdout is: one line is one frame.
  frame: (frame) => terminal.out(JSON.stringify(frame)),
  end: () => undefined,
});

function progress(context: CommandContext, view: RunView): Show {
  return context.terminal.stderr.isTTY === true && context.env['TERM'] !== 'dumb'
    ? liveScreen(context, view)
    : logLines(context, view);
}

function logLines({ terminal }: CommandContext, view: RunView): Show {
  return {
    frame: (frame) => {
      if (frame.type === 'start') terminal.err(`run ${frame.runId}`);
      const label = (nodeId: string): string => view.nodes.find((node) => node.id === nodeId)?.label ?? nodeId;
      terminal.err(frameLine(frame, view.startedAt ?? Date.parse(frame.timestamp), label, terminal.paintErr));
      if (frame.type === 'hitl_request') hint(terminal, frame.payload['taskId'], frame.payload['kind']);
    },
    end: () => undefined,
  };
}

const hint = (terminal: CommandContext['terminal'], taskId: unknown, kind: unknown): void => {
  const verb = kind === 'output' ? `answer ${String(taskId)} --output <file>` : `approve ${String(taskId)}`;
  terminal.err(terminal.paintErr('dim', `          answer it with: flex tasks ${verb}`));
};

function liveScreen({ terminal }: CommandContext, view: RunView): Show {
  const screen = new LiveScreen(terminal.stderr);
  // Server and user may disagree about the time: what counts is how much passed here since the first frame.
  let skew = 0;
  const paint = (): void => {
    const size = { columns: terminal.stderr.columns ?? 100, rows: terminal.stderr.rows ?? 30 };
    screen.paint(screenLines(view, Date.now() + skew, size, terminal.paintErr));
  };
  const timer = setInterval(paint, REPAINT_MS);
  return {
    frame: (frame) => {
      if (view.events === 1) skew = Date.parse(frame.timestamp) - Date.now();
      if (ended(view)) paint();
    },
    end: () => {
      clearInterval(timer);
      if (view.events > 0) paint();
    },
  };
}

/** What is left to say when the frames have ended. */
function conclude(context: CommandContext, view: RunView): number {
  const { terminal } = context;
  const { paintErr } = terminal;
  if (!ended(view)) {
    // Only Ctrl-C ends a stream before its last frame.
    if (view.runId !== undefined) {
      terminal.err(`\nThe run goes on without you. To watch it again: flex watch ${view.runId}`);
      terminal.err(`To end it: flex cancel ${view.runId}`);
    }
    return exitCodes.interrupted;
  }
  if (view.status === 'completed') {
    if (context.json) return exitCodes.ok;
    if (!context.args.flag('quiet')) terminal.err(paintErr('dim', footer(view)));
    terminal.out(typeof view.output === 'string' ? view.output : JSON.stringify(view.output, null, 2));
    return exitCodes.ok;
  }
  const code = view.error?.code ? ` (${view.error.code})` : '';
  terminal.err(`${paintErr('red', `run ${view.status}:`)} ${view.error?.message ?? ''}${code}`);
  for (const detail of view.error?.details ?? []) terminal.err(`  ${detail}`);
  terminal.err(paintErr('dim', `why: flex explain ${view.runId}`));
  return exitCodes.failed;
}

function footer(view: RunView): string {
  const elapsed =
    view.startedAt !== undefined && view.endedAt !== undefined ? duration(view.endedAt - view.startedAt) : '';
  return `completed in ${elapsed}, plan v${view.planVersion ?? 1}, ${view.nodes.length} nodes · flex explain ${view.runId}`;
}
