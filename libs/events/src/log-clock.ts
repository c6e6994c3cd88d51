import { LOG_STREAM } from './names.js';
import { ask } from './ask.js';
import type { EventLog } from './event-log.js';

/** Clocks drift apart by milliseconds in this time. */
const LOOK_MS = 60_000;

/**
 * The log's time, as its server stamps events with it: what times of different machines may be compared by. Counts on
 * from what the server said last, so that the clock of this machine, and whatever is done to it, does not matter.
 */
export class LogClock {
  /** The log's time at the moment that `performance.now()` counts from. */
  #origin = Number.NaN;
  readonly #timer: NodeJS.Timeout;
  /** Resolves when the time is known; rejects when the log does not say it. */
  readonly ready: Promise<void>;

  constructor(private readonly log: EventLog) {
    this.ready = this.#look();
    this.ready.catch(() => undefined);
    // A server that does not answer now is asked again next time; until then the time goes on as before.
    this.#timer = setInterval(() => void this.#look().catch(() => undefined), LOOK_MS).unref();
  }

  /** Milliseconds since the epoch. */
  now(): number {
    if (Number.isNaN(this.#origin)) throw new Error('the time of the log is not known yet: wait for `ready`');
    return Math.round(this.#origin + performance.now());
  }

  close(): void {
    clearInterval(this.#timer);
  }

  async #look(): Promise<void> {
    const jsm = await this.log.manager();
    await ask(this.log.nc, async () => {
      const asked = performance.now();
      const { ts } = await jsm.streams.info(LOG_STREAM);
      // Said somewhere between the question and its answer.
      this.#origin = Date.parse(ts!) - (asked + performance.now()) / 2;
    });
  }
}
