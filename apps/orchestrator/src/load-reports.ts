import type { NatsConnection } from '@nats-io/nats-core';
import type { LoadReport } from '@flex/contracts';
import { LOAD_SUBJECT } from '@flex/events';

const EVERY_MS = 500;

export interface Load {
  /** Events that are not folded yet. */
  readonly lag: number;
  /** Changes with each event that was folded. */
  readonly folded: number;
}

/**
 * Tells the gateways how far behind this replica is, so that they take in no more than is worked off. One small message
 * twice a second while something happens, none while nothing does.
 */
export class LoadReports {
  readonly #timer: NodeJS.Timeout;
  #told = 0;

  constructor(
    private readonly nc: NatsConnection,
    private readonly owner: string,
    private readonly load: Load,
  ) {
    this.#timer = setInterval(() => this.#tell(), EVERY_MS).unref();
  }

  close(): void {
    clearInterval(this.#timer);
    if (!this.nc.isClosed()) this.#publish(0);
  }

  #tell(): void {
    const { lag, folded } = this.load;
    if ((folded === this.#told && lag === 0) || !Number.isFinite(lag) || this.nc.isClosed()) return;
    this.#told = folded;
    this.#publish(lag);
  }

  #publish(lag: number): void {
    const report: LoadReport = { owner: this.owner, lag };
    this.nc.publish(LOAD_SUBJECT, JSON.stringify(report));
  }
}
