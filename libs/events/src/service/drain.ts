import { reasonOf } from '../errors.js';
import type { Logger } from './logger.js';

/**
 * The order of a graceful end: no new requests are accepted, consumers stop pulling, work in flight finishes, what is
 * left (caches, leases, timers) is closed. NATS and Postgres go last, by the service itself.
 */
export const drainPhases = ['accept', 'consume', 'work', 'close'] as const;
export type DrainPhase = (typeof drainPhases)[number];

interface Step {
  name: string;
  run: () => Promise<unknown> | unknown;
}

export class Drain {
  readonly #steps = new Map<DrainPhase, Step[]>();
  readonly #abort = new AbortController();

  /** Aborted as soon as the service begins to end: loops and long polls watch it. */
  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  on(phase: DrainPhase, name: string, run: () => Promise<unknown> | unknown): void {
    const steps = this.#steps.get(phase) ?? [];
    steps.push({ name, run });
    this.#steps.set(phase, steps);
  }

  begin(): void {
    this.#abort.abort();
  }

  /** Steps of one phase run together; a step that fails is logged and holds up nobody. */
  async run(phase: DrainPhase, log: Logger): Promise<void> {
    const steps = this.#steps.get(phase) ?? [];
    await Promise.all(
      steps.map(async ({ name, run }) => {
        try {
          await run();
        } catch (error) {
          log.warn({ step: name, phase, reason: reasonOf(error) }, `draining: ${name} failed`);
        }
      }),
    );
  }
}
