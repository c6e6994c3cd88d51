import type { EventLog } from '@flex/events';
import type { PostgresArchivist } from '../store/postgres-archivist.js';

/** The word that a run was deleted stays this long in the log: replicas and read models hear of it by it. */
const TOLD_SECONDS = 86_400;

/**
 * Deletes ended runs. First the log says so, which ends the run on every replica at once; then it is erased, by whoever
 * deletes it and, should that one die, by the projection.
 */
export class RunDeletion {
  constructor(
    private readonly log: EventLog,
    private readonly archivist: PostgresArchivist,
  ) {}

  async delete(runId: string, why: { by?: string; rolledBackBy?: string }): Promise<void> {
    const event = { type: 'run.deleted', runId, id: `run.deleted.${runId}`, data: why } as const;
    const { seq } = await this.log.append(event, { ttlSeconds: TOLD_SECONDS });
    await this.archivist.erase(runId, seq);
  }
}
