import type { Frame, Json } from '@flex/contracts';
import type { Colour, Paint } from '../terminal.js';
import { duration } from './duration.js';
import { fit } from './table.js';

const signs: Partial<Record<Frame['type'], readonly [sign: string, colour: Colour]>> = {
  start: ['▶', 'bold'],
  plan_requested: ['…', 'cyan'],
  plan_rejected: ['✗', 'yellow'],
  plan_generated: ['◆', 'cyan'],
  plan_branch: ['⑂', 'cyan'],
  plan_fallback: ['↷', 'yellow'],
  plan_updated: ['◆', 'magenta'],
  node_start: ['▸', 'cyan'],
  node_complete: ['✓', 'green'],
  node_error: ['✗', 'red'],
  node_skipped: ['–', 'dim'],
  policy_triggered: ['⚑', 'magenta'],
  hitl_request: ['?', 'yellow'],
  hitl_resolved: ['!', 'yellow'],
  validation_error: ['✗', 'yellow'],
  goal_condition_failed: ['✗', 'yellow'],
  run_paused: ['‖', 'yellow'],
  run_resumed: ['▶', 'cyan'],
};

/** One frame as one line of a log: elapsed time, sign, what happened, to what. */
export function frameLine(frame: Frame, startedAt: number, labels: (nodeId: string) => string, paint: Paint): string {
  const elapsed = duration(Math.max(0, Date.parse(frame.timestamp) - startedAt)).padStart(8);
  const [sign, colour] =
    frame.type === 'complete'
      ? frame.payload['status'] === 'failed' || frame.payload['status'] === 'cancelled'
        ? (['✗', 'red'] as const)
        : (['✓', 'green'] as const)
      : (signs[frame.type] ?? (['·', 'dim'] as const));
  const subject = frame.nodeId === undefined ? '' : `  ${labels(frame.nodeId)}`;
  // A node's own label needs no second mention.
  const said = frame.nodeId !== undefined && frame.message === labels(frame.nodeId) ? undefined : frame.message;
  const what = said ?? summary(frame);
  return `${paint('dim', elapsed)}  ${paint(colour, sign)} ${frame.type.replaceAll('_', ' ')}${subject}${what ? `  ${paint('dim', fit(what, 160))}` : ''}`;
}

/** What matters of a frame's payload when it has no message of its own. */
function summary(frame: Frame): string {
  const payload = frame.payload;
  const value = (key: string): string => scalar(payload[key]);
  switch (frame.type) {
    case 'plan_requested':
      return `attempt ${value('attempt')}, ${value('phase')}`;
    case 'plan_rejected':
      return Array.isArray(payload['diagnostics'])
        ? payload['diagnostics'].map((d) => scalar((d as Record<string, Json>)['code'])).join(', ')
        : '';
    case 'plan_generated':
    case 'plan_updated':
      return frame.planVersion === undefined ? '' : `version ${frame.planVersion}`;
    case 'policy_triggered':
      return value('policyId');
    default:
      return '';
  }
}

const scalar = (value: Json | undefined): string =>
  value === undefined || value === null || typeof value === 'object' ? '' : String(value);
