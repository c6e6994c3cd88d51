import { ContractViolation, everySubject, type StoredEvent } from '@flex/contracts';
import { decodeDelivered, LOG_STREAM, OrderedReader, type Delivered, type EventLog } from '@flex/events';

const REMEMBERED = 10_000;

/** What a step is known by: a run's ends concern all of its steps, a node's only one attempt or those before it. */
export interface Cancelled {
  runId: string;
  /** Without it the whole run. */
  nodeId?: string;
  attempt?: number;
}

/** One filter each: NATS permissions bind a reader of one filter to it, and a worker may not read the rest of the log. */
const FILTERS = ['*.cancelled.>', everySubject('run.failed')];

/**
 * Follows the cancellations of all runs: few messages, the same readers whatever the number of steps. Remembers the
 * last ones, for work that waits here or is delivered late.
 */
export class Cancellations {
  readonly #recent = new Map<string, number>();
  readonly #readers: OrderedReader[];

  constructor(
    private readonly log: EventLog,
    fromSeq: number,
    private readonly onCancelled: (cancelled: Cancelled) => void,
  ) {
    this.#readers = FILTERS.map(
      (filter) => new OrderedReader({ nc: log.nc, stream: LOG_STREAM, filters: [filter], fromSeq }),
    );
    for (const reader of this.#readers) void this.#follow(reader);
  }

  /** Whether this attempt is no longer wanted. */
  has(runId: string, nodeId: string, attempt: number): boolean {
    if (this.#recent.size === 0) return false;
    if (this.#recent.has(runId)) return true;
    const upTo = this.#recent.get(`${runId}/${nodeId}`);
    return upTo !== undefined && attempt <= upTo;
  }

  close(): void {
    for (const reader of this.#readers) reader.close();
  }

  async #follow(reader: OrderedReader): Promise<void> {
    try {
      for await (const batch of reader) for (const delivered of batch) await this.#learn(delivered);
    } catch {
      // The connection was closed for good, and with it the worker.
    }
  }

  async #learn({ message, delivery }: Delivered): Promise<void> {
    let event: StoredEvent;
    try {
      event = (await decodeDelivered(message, delivery.seq, delivery.time, this.log.claims)) as unknown as StoredEvent;
    } catch (error) {
      // What only looks like a cancellation cancels nothing; the orchestrator puts it aside with its reason.
      if (error instanceof ContractViolation) return;
      throw error;
    }
    const { runId } = event;
    if (event.type === 'node.cancelled')
      for (const { nodeId, attempt } of event.data.nodes)
        this.#add(`${runId}/${nodeId}`, attempt, { runId, nodeId, attempt });
    else if (event.type === 'run.cancelled' || event.type === 'run.failed') this.#add(runId, 0, { runId });
  }

  #add(key: string, attempt: number, cancelled: Cancelled): void {
    this.#recent.delete(key);
    this.#recent.set(key, attempt);
    if (this.#recent.size > REMEMBERED) this.#recent.delete(this.#recent.keys().next().value!);
    this.onCancelled(cancelled);
  }
}
