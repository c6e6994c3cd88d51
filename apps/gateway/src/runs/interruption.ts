import type { NewEvent } from '@flex/contracts';

/** Asks that a run end because a newer one of its thread wants its place. Asked twice it is the same event. */
export function interrupt(
  log: { append(event: NewEvent): Promise<unknown> },
  runId: string,
  newer: string,
  how: 'interrupt' | 'rollback',
  by?: string,
): Promise<unknown> {
  const reason = how === 'interrupt' ? `interrupted by run ${newer}` : `rolled back by run ${newer}`;
  const id = `run.cancel_requested.${runId}.for.${newer}`;
  return log.append({ type: 'run.cancel_requested', runId, id, data: { reason, ...(by ? { by } : {}) } });
}
