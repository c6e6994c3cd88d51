import { partitionOf, type NewEvent } from '@flex/contracts';
import { FenceLost, reasonOf, type FencedWriter } from '@flex/events';
import type { Logger } from '@flex/events/service';

/** The one scheduled wake-up of a partition, which lies in the log: at the earliest time that any of its runs is due. */
export class PartitionClock {
  /** When it comes; undefined when none is set. */
  #armed: number | undefined;
  #timers = 0;

  constructor(
    /** The run id under which it lies. */
    readonly runId: string,
    private readonly writer: FencedWriter,
    private readonly logger: Logger,
  ) {}

  arm(earliest: number | undefined): void {
    if (earliest === undefined || (this.#armed !== undefined && this.#armed <= earliest)) return;
    this.#armed = earliest;
    const event: NewEvent = {
      type: 'timer.set',
      runId: this.runId,
      id: `${this.runId}:${this.writer.claim.seq}:${++this.#timers}`,
      data: { at: earliest },
    };
    this.writer.append(event).catch((error: unknown) => {
      // Whoever owns the partition next sets its own.
      if (error instanceof FenceLost) return;
      this.#armed = undefined;
      this.logger.warn({ reason: reasonOf(error) }, 'a timer could not be set');
    });
  }

  /** It struck, for the time that it was set to. */
  struck(at: number): void {
    if (this.#armed !== undefined && at >= this.#armed) this.#armed = undefined;
  }
}

/** A run id of the partition's own, under which its timer lies. */
export function clockOf(partition: number, partitions: number): string {
  for (let i = 0; ; i++)
    if (partitionOf(`clock-${partition}-${i}`, partitions) === partition) return `clock-${partition}-${i}`;
}
