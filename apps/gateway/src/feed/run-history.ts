import type { StoredEvent } from '@flex/contracts';

/** The events of a run that are stored now, in order: from the archive when it is there, else from the log. */
export interface RunHistory {
  read(runId: string, signal?: AbortSignal): AsyncIterable<StoredEvent>;
}
