import type { StoredEvent } from '@flex/contracts';
import { isRunId } from '@flex/events';
import { initialSummary, isEnded, type RunSummary } from '../core/run-summary.js';
import type { RunFeeds } from '../feed/run-feeds.js';
import type { RunHub } from '../feed/run-hub.js';
import type { StoredHistory } from '../feed/stored-history.js';
import { refuse } from '../http/problems.js';
import type { Caller } from '../security/caller.js';
import { RunSummaries } from './run-summaries.js';

/** Runs as their events tell, current to the moment. Other tenants' runs do not exist. */
export class RunReader {
  readonly #summaries: RunSummaries;

  constructor(
    private readonly feeds: RunFeeds,
    private readonly history: StoredHistory,
  ) {
    this.#summaries = new RunSummaries(history);
  }

  /** Throws `run_not_found`. */
  async summary(runId: string, caller: Caller): Promise<RunSummary> {
    const hub = this.feeds.peek(runId);
    // What is watched here was read through the live feed, which may be a moment behind: for an ended run it cannot be.
    if (hub?.known && (isEnded(hub.summary.status) || (await this.history.isCurrent())) && !hub.failure)
      return this.#mine(hub.summary, runId, caller);
    const summary = isRunId(runId) ? await this.#summaries.of(runId) : initialSummary(runId);
    return this.#mine(summary, runId, caller);
  }

  /** An open run. Throws `run_ended`. */
  async open(runId: string, caller: Caller): Promise<RunSummary> {
    const summary = await this.summary(runId, caller);
    if (isEnded(summary.status)) throw refuse.runEnded(runId, summary.status);
    return summary;
  }

  async events(runId: string, caller: Caller): Promise<StoredEvent[]> {
    const events: StoredEvent[] = [];
    if (isRunId(runId)) for await (const event of this.history.read(runId)) events.push(event);
    const submitted = events.find((event) => event.type === 'run.submitted');
    const deleted = events.at(-1)?.type === 'run.deleted';
    if (submitted?.type !== 'run.submitted' || deleted || submitted.data.tenant !== caller.tenant)
      throw refuse.runNotFound(runId);
    return events;
  }

  async hub(runId: string, caller: Caller): Promise<RunHub> {
    if (!isRunId(runId)) throw refuse.runNotFound(runId);
    const hub = await this.feeds.open(runId);
    this.#mine(hub.summary, runId, caller);
    return hub;
  }

  #mine(summary: RunSummary, runId: string, caller: Caller): RunSummary {
    if (summary.firstSeq === 0 || summary.deleted || summary.tenant !== caller.tenant) throw refuse.runNotFound(runId);
    return summary;
  }
}
