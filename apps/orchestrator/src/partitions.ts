import { setTimeout as delay } from 'node:timers/promises';
import { FenceLost, reasonOf } from '@flex/events';
import type { Logger } from '@flex/events/service';
import { PartitionOwner, type PartitionOptions } from './partition-owner.js';

const FIRST_PAUSE_MS = 200;
const LONGEST_PAUSE_MS = 5_000;

/** The partitions that this replica works on; which ones is the leases' say. */
export class Partitions {
  readonly #owners = new Map<number, PartitionOwner>();
  readonly #wanted = new Set<number>();
  readonly #loops = new Map<number, Promise<void>>();

  constructor(
    private readonly logger: Logger,
    private readonly options: Omit<PartitionOptions, 'partition'>,
  ) {}

  acquired(partition: number): void {
    this.#wanted.add(partition);
    if (!this.#loops.has(partition))
      this.#loops.set(
        partition,
        this.#own(partition).finally(() => this.#loops.delete(partition)),
      );
  }

  async released(partition: number): Promise<void> {
    this.#wanted.delete(partition);
    await this.#owners.get(partition)?.stop();
    await this.#loops.get(partition);
  }

  /** Whether everything owned has been folded and is being decided. */
  get lag(): number {
    let lag = this.options.log.feed.lag;
    for (const owner of this.#owners.values()) lag += owner.lag;
    return lag;
  }

  /** Changes with every event that was folded here. */
  get folded(): number {
    let folded = 0;
    for (const owner of this.#owners.values()) folded += owner.seq;
    return folded;
  }

  get runs(): number {
    let runs = 0;
    for (const owner of this.#owners.values()) runs += owner.size;
    return runs;
  }

  get owned(): number[] {
    return [...this.#owners.keys()].sort((a, b) => a - b);
  }

  recheck(): void {
    for (const owner of this.#owners.values()) owner.recheck();
  }

  async stop(): Promise<void> {
    await Promise.all([...this.#wanted].map((partition) => this.released(partition)));
  }

  /** Owns a partition for as long as the lease says so: after a fault, again from the log. */
  async #own(partition: number): Promise<void> {
    for (let pause = FIRST_PAUSE_MS; this.#wanted.has(partition); pause = Math.min(pause * 2, LONGEST_PAUSE_MS)) {
      const owner = new PartitionOwner({ ...this.options, partition });
      this.#owners.set(partition, owner);
      const began = performance.now();
      try {
        await owner.run();
      } catch (error) {
        if (error instanceof FenceLost) this.logger.info({ partition }, 'another replica claimed the partition');
        else this.logger.warn({ partition, reason: reasonOf(error) }, 'the partition is started again');
      } finally {
        this.#owners.delete(partition);
      }
      if (performance.now() - began > LONGEST_PAUSE_MS) pause = FIRST_PAUSE_MS;
      if (this.#wanted.has(partition)) await delay(pause);
    }
  }
}
