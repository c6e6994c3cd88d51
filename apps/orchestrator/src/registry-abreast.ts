import type { RegistryMirror } from '@flex/events';

const PATIENCE_MS = 2_000;

/**
 * Keeps decisions from being made by an older registry than the one that the client saw when it submitted the run: what it
 * had just published would not exist.
 */
export class RegistryAbreast {
  /** A bucket that was lost and made again counts from the beginning: what did not come once is not waited for again. */
  #givenUp = 0;

  constructor(
    private readonly mirror: Pick<RegistryMirror, 'revision' | 'reached'>,
    private readonly patienceMs = PATIENCE_MS,
  ) {}

  /** Undefined when there is nothing to wait for. */
  reached(revision: number): Promise<void> | undefined {
    if (revision <= this.mirror.revision || revision <= this.#givenUp) return undefined;
    return this.mirror.reached(revision, AbortSignal.timeout(this.patienceMs)).catch(() => {
      this.#givenUp = Math.max(this.#givenUp, revision);
    });
  }
}
