import type { StoredEvent } from '@flex/contracts';
import { initialSummary, summarize, type RunSummary } from '../core/run-summary.js';
import type { StoredHistory } from '../feed/stored-history.js';

/** Of the events that the summaries were folded from: a summary holds inputs of tasks and the output. */
const HELD_BYTES = 32 * 1024 * 1024;
/** Of an event whose stored form is not at hand. */
const USUAL_BYTES = 1_024;

interface Held {
  summary: RunSummary;
  bytes: number;
}

/**
 * The summaries of runs that were asked for lately, folded on by what has come since: a client that polls costs what is
 * new, not the whole history each time. The oldest questions are forgotten first.
 */
export class RunSummaries {
  readonly #held = new Map<string, Held>();
  #bytes = 0;

  constructor(
    private readonly history: Pick<StoredHistory, 'read' | 'since'>,
    private readonly limit = HELD_BYTES,
  ) {}

  /** Current to the moment; empty (`firstSeq` 0) for a run that is not there. The caller changes nothing of it. */
  async of(runId: string): Promise<RunSummary> {
    const held = this.#held.get(runId) ?? { summary: initialSummary(runId), bytes: 0 };
    const news = await this.history.since(runId, held.summary.lastSeq);
    if (news) return this.#fold(held, news);
    const whole: StoredEvent[] = [];
    for await (const event of this.history.read(runId)) whole.push(event);
    return this.#fold({ summary: initialSummary(runId), bytes: 0 }, whole);
  }

  #fold(held: Held, events: readonly StoredEvent[]): RunSummary {
    const { summary } = held;
    // Let go before it grows: what is taken off the total is what was put on it.
    this.#forget(summary.runId);
    for (const event of events) {
      // Two questions at once may bring the same events.
      if (event.seq > summary.lastSeq) held.bytes += (event as { bytes?: Uint8Array }).bytes?.length ?? USUAL_BYTES;
      summarize(summary, event);
    }
    if (summary.firstSeq > 0 && !summary.deleted) this.#hold(held);
    return summary;
  }

  #hold(held: Held): void {
    this.#held.set(held.summary.runId, held);
    this.#bytes += held.bytes;
    for (const oldest of this.#held.keys()) {
      if (this.#bytes <= this.limit) return;
      this.#forget(oldest);
    }
  }

  #forget(runId: string): void {
    this.#bytes -= this.#held.get(runId)?.bytes ?? 0;
    this.#held.delete(runId);
  }
}
