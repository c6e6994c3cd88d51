import { everySubject, type EventData } from '@flex/contracts';
import { LOG_STREAM, OrderedReader, parseSubject, type Delivered, type EventLog } from '@flex/events';

const REMEMBERED = 10_000;
const ENDS_RUN = new Set(['run.cancelled', 'run.failed']);

/** What a step is known by: a run's ends concern all of its steps, a node's only one attempt or those before it. */
export interface Cancelled {
  runId: string;
  /** Without it the whole run. */
  nodeId?: string;
  attempt?: number;
}

/**
 * Follows the cancellations of all runs: few messages, one reader, whatever the number of steps. Remembers the last
 * ones, for work that waits here or is delivered late.
 */
export class Cancellations {
  readonly #recent = new Map<string, number>();
  readonly #reader: OrderedReader;

  constructor(
    log: EventLog,
    fromSeq: number,
    private readonly onCancelled: (cancelled: Cancelled) => void,
  ) {
    this.#reader = new OrderedReader({
      nc: log.nc,
      stream: LOG_STREAM,
      filters: [everySubject('node.cancelled'), everySubject('run.cancelled'), everySubject('run.failed')],
      fromSeq,
    });
    void this.#follow();
  }

  /** Whether this attempt is no longer wanted. */
  has(runId: string, nodeId: string, attempt: number): boolean {
    if (this.#recent.size === 0) return false;
    if (this.#recent.has(runId)) return true;
    const upTo = this.#recent.get(`${runId}/${nodeId}`);
    return upTo !== undefined && attempt <= upTo;
  }

  close(): void {
    this.#reader.close();
  }

  async #follow(): Promise<void> {
    try {
      for await (const batch of this.#reader) for (const delivered of batch) this.#learn(delivered);
    } catch {
      // The connection was closed for good, and with it the worker.
    }
  }

  #learn({ message }: Delivered): void {
    const subject = parseSubject(message.subject);
    if (!subject) return;
    const { type, runId } = subject;
    if (ENDS_RUN.has(type)) return this.#add(runId, 0, { runId });
    let data: EventData<'node.cancelled'>;
    try {
      data = JSON.parse(Buffer.from(message.data).toString('utf8')) as EventData<'node.cancelled'>;
    } catch {
      return;
    }
    for (const { nodeId, attempt } of data.nodes ?? []) {
      this.#add(`${runId}/${nodeId}`, attempt, { runId, nodeId, attempt });
    }
  }

  #add(key: string, attempt: number, cancelled: Cancelled): void {
    this.#recent.delete(key);
    this.#recent.set(key, attempt);
    if (this.#recent.size > REMEMBERED) this.#recent.delete(this.#recent.keys().next().value!);
    this.onCancelled(cancelled);
  }
}
