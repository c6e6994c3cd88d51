/** Why a step ends before its handler does. */
export type Interruption = 'timeout' | 'cancelled' | 'stopping';

export class Interrupted extends Error {
  override readonly name = 'AbortError';
  constructor(readonly why: Interruption) {
    super(
      why === 'timeout'
        ? 'the time of this step is up'
        : why === 'cancelled'
          ? 'the step was cancelled'
          : 'the worker stops',
    );
  }
}

/** After this long a step counts as slow: it is announced as started, and its deadline gets a timer. */
export const SLOW_MS = 200;

/**
 * A step while its handler runs. Quick steps, which are nearly all under load, cost one timer; the abort signal is made
 * when somebody looks at it.
 */
export class RunningStep {
  #controller: AbortController | undefined;
  #timer: NodeJS.Timeout;
  #interrupted: Interrupted | undefined;
  #reject!: (reason: Interrupted) => void;
  /** Rejects when the step has to end. */
  readonly interrupted: Promise<never>;

  constructor(
    readonly runId: string,
    readonly nodeId: string,
    readonly attempt: number,
    timeoutMs: number,
    onSlow: () => void,
  ) {
    this.interrupted = new Promise<never>((_, reject) => (this.#reject = reject));
    // Nobody may be waiting any more when it rejects.
    this.interrupted.catch(() => undefined);
    const deadline = (): void => this.interrupt('timeout');
    this.#timer =
      timeoutMs <= SLOW_MS
        ? setTimeout(deadline, timeoutMs)
        : setTimeout(() => {
            this.#timer = setTimeout(deadline, Math.min(timeoutMs - SLOW_MS, 2 ** 31 - 1));
            onSlow();
          }, SLOW_MS);
  }

  get signal(): AbortSignal {
    this.#controller ??= new AbortController();
    if (this.#interrupted && !this.#controller.signal.aborted) this.#controller.abort(this.#interrupted);
    return this.#controller.signal;
  }

  interrupt(why: Interruption): void {
    if (this.#interrupted) return;
    this.#interrupted = new Interrupted(why);
    clearTimeout(this.#timer);
    this.#controller?.abort(this.#interrupted);
    this.#reject(this.#interrupted);
  }

  done(): void {
    clearTimeout(this.#timer);
  }
}
