import type { NodeStatus, RunStatus } from '@flex/contracts';
import type { Colour } from '../terminal.js';

/** How a node's status looks: a sign that is clear without colour, and a colour. */
export const nodeGlyphs: Record<NodeStatus, readonly [sign: string, colour: Colour]> = {
  pending: ['·', 'dim'],
  ready: ['○', 'dim'],
  running: ['▸', 'cyan'],
  awaiting_human: ['?', 'yellow'],
  completed: ['✓', 'green'],
  failed: ['✗', 'red'],
  skipped: ['–', 'dim'],
  cancelled: ['×', 'dim'],
};

export const runColours: Record<RunStatus, Colour> = {
  submitted: 'dim',
  planning: 'cyan',
  awaiting_review: 'yellow',
  running: 'cyan',
  replanning: 'magenta',
  paused: 'yellow',
  awaiting_human: 'yellow',
  completed: 'green',
  failed: 'red',
  cancelled: 'red',
};
