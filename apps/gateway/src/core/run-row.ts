import type { EventType, RunStatus, StoredEvent } from '@flex/contracts';
import { isEnded, type TaskView } from './run-summary.js';

/** What a list of runs needs. Folded from few event types, most of them by their name alone (no payload is parsed). */
export interface RunRow {
  runId: string;
  tenant: string;
  status: RunStatus;
  objective: string;
  correlationId: string;
  threadId?: string;
  labels: Record<string, string>;
  planVersion?: number;
  submittedAt: number;
  endedAt?: number;
  firstSeq: number;
  lastSeq: number;
  state: RowState;
}

export interface RowState {
  planning: boolean;
  paused: boolean;
  /** Open tasks: id -> kind. */
  tasks: Record<string, string>;
  /** Answered, but not taken over yet: id -> kind. */
  answered?: Record<string, string>;
  /** It had tasks, so that its end has to close them. */
  hadTasks?: boolean;
  /** Runs that this one waits for, until it is released. */
  after?: string[];
  /** Its client wants them to end. */
  interrupts?: boolean;
  /** Those of them that it made end are deleted then. */
  rollsBack?: boolean;
}

/** The events that change a row. */
export const rowEvents = [
  'run.submitted',
  'plan.requested',
  'plan.generated',
  'plan.updated',
  'hitl.requested',
  'hitl.resolved',
  'plan.review_resolved',
  'hitl.closed',
  'validation.failed',
  'plan.rejected',
  'run.paused',
  'run.resumed',
  'run.released',
  'run.completed',
  'run.failed',
  'run.cancelled',
] as const satisfies readonly EventType[];
export type RowEventType = (typeof rowEvents)[number];

/** Types whose payload matters here; of all others the name says enough. */
export const parsedRowEvents: ReadonlySet<string> = new Set<RowEventType>([
  'run.submitted',
  'hitl.requested',
  'hitl.resolved',
  'plan.review_resolved',
  'hitl.closed',
  'validation.failed',
  'plan.rejected',
]);

export interface RowEvent {
  type: RowEventType;
  runId: string;
  seq: number;
  time: number;
  /** For {@link parsedRowEvents} only. */
  event?: StoredEvent;
}

export const newRow = (runId: string): RunRow => ({
  runId,
  tenant: '',
  status: 'submitted',
  objective: '',
  correlationId: runId,
  labels: {},
  submittedAt: 0,
  firstSeq: 0,
  lastSeq: 0,
  state: { planning: false, paused: false, tasks: {} },
});

/** Folds one event into the row, in place; says which task it changed. A repeat changes nothing. */
export function foldRow(row: RunRow, { type, seq, time, event }: RowEvent): TaskChange | undefined {
  if (seq <= row.lastSeq || isEnded(row.status)) return undefined;
  row.lastSeq = seq;
  const change = event ? parsed(row, event) : undefined;
  switch (type) {
    case 'plan.requested':
      row.state.planning = true;
      break;
    case 'plan.generated':
      row.state.planning = false;
      row.planVersion = 1;
      break;
    case 'plan.updated':
      row.state.planning = false;
      row.planVersion = (row.planVersion ?? 0) + 1;
      break;
    case 'run.paused':
      row.state.paused = true;
      break;
    case 'run.resumed':
      row.state.paused = false;
      break;
    case 'run.released':
      delete row.state.after;
      delete row.state.interrupts;
      delete row.state.rollsBack;
      break;
    case 'run.completed':
    case 'run.failed':
    case 'run.cancelled':
      row.status = type.slice(4) as 'completed' | 'failed' | 'cancelled';
      return end(row, time);
    default:
      break;
  }
  row.status = openStatus(row);
  return change;
}

/** What became of a task. */
export type TaskChange =
  | { kind: 'opened'; task: TaskView }
  | { kind: 'answered'; taskId: string; resolution: string; by?: string }
  | { kind: 'reopened'; taskId: string }
  | { kind: 'closed'; taskId: string; outcome: string; resolution?: string; by?: string; time: number }
  | { kind: 'withdrawn'; time: number };

function parsed(row: RunRow, event: StoredEvent): TaskChange | undefined {
  switch (event.type) {
    case 'run.submitted': {
      // Said again it begins nothing again.
      if (row.firstSeq > 0) return undefined;
      const { envelope, tenant, correlationId, threadId, after, rollsBack } = event.data;
      Object.assign(row, { tenant, correlationId, threadId, submittedAt: event.time, firstSeq: event.seq });
      row.objective = envelope.objective.slice(0, 500);
      row.labels = envelope.metadata?.labels ?? {};
      if (after && after.length > 0) row.state.after = after;
      const { onConflict } = envelope.metadata ?? {};
      if (after && (onConflict === 'interrupt' || onConflict === 'rollback')) row.state.interrupts = true;
      if (rollsBack) row.state.rollsBack = true;
      return undefined;
    }
    case 'hitl.requested': {
      const { task } = event.data;
      row.state.tasks[task.taskId] = task.kind;
      row.state.hadTasks = true;
      return {
        kind: 'opened',
        task: { ...task, runId: row.runId, tenant: row.tenant, status: 'open', requestedAt: event.time, answers: 0 },
      };
    }
    case 'hitl.resolved':
      return answered(row, event.data.taskId, event.data.resolution, event.data.by);
    case 'plan.review_resolved':
      return answered(row, event.data.taskId, event.data.decision, event.data.by);
    case 'hitl.closed': {
      const { taskId, outcome, resolution, by } = event.data;
      delete row.state.tasks[taskId];
      delete row.state.answered?.[taskId];
      return { kind: 'closed', taskId, outcome, resolution, by, time: event.time };
    }
    case 'validation.failed':
      return event.data.scope === 'answer' && event.data.taskId ? reopened(row, event.data.taskId) : undefined;
    case 'plan.rejected':
      return event.data.phase === 'review' ? reopened(row, event.data.requestId) : undefined;
    default:
      return undefined;
  }
}

function end(row: RunRow, time: number): TaskChange | undefined {
  const { hadTasks } = row.state;
  row.endedAt = time;
  row.state = { planning: false, paused: false, tasks: {} };
  return hadTasks ? { kind: 'withdrawn', time } : undefined;
}

function answered(row: RunRow, taskId: string, resolution: string, by: string | undefined): TaskChange | undefined {
  const kind = row.state.tasks[taskId];
  if (kind === undefined) return undefined;
  delete row.state.tasks[taskId];
  row.state.answered = { ...row.state.answered, [taskId]: kind };
  return { kind: 'answered', taskId, resolution, by };
}

/** The answer could not be taken over: the question stands. */
function reopened(row: RunRow, taskId: string): TaskChange | undefined {
  const kind = row.state.answered?.[taskId];
  if (kind === undefined) return undefined;
  delete row.state.answered?.[taskId];
  row.state.tasks[taskId] = kind;
  return { kind: 'reopened', taskId };
}

/** The same order of reasons as in the full summary. */
function openStatus({ state, planVersion }: RunRow): RunStatus {
  if (state.paused) return 'paused';
  const kinds = Object.values(state.tasks);
  if (kinds.includes('review')) return 'awaiting_review';
  if (kinds.includes('approval') || kinds.includes('escalation')) return 'awaiting_human';
  if (state.planning) return planVersion === undefined ? 'planning' : 'replanning';
  if (kinds.length > 0) return 'awaiting_human';
  return planVersion === undefined ? 'submitted' : 'running';
}
