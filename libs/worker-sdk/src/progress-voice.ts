import type { EventData, NewEvent } from '@flex/contracts';
import type { Progress, StepVoice } from './step-context.js';

type Progressed = EventData<'node.progressed'>;

interface Said extends Progress {
  text?: string;
}

export interface VoiceOf {
  runId: string;
  key: string | undefined;
  traceparent: string | undefined;
  nodeId: string;
  attempt: number;
  worker: string;
  /** Which delivery of the attempt speaks: what a redelivery says is not what the first one said. */
  delivery: number;
}

/** About ten messages a second at most, however often a handler speaks. */
const INTERVAL_MS = 100;
/** A longer text is sent at once, so that portions stay small. */
const PORTION_CHARS = 4_000;

/**
 * Collects what a step says and sends it in portions: the newest fraction and message win, text adds up. The first word
 * leaves at once.
 */
export class ProgressVoice implements StepVoice {
  #pending: Said | undefined;
  #timer: NodeJS.Timeout | undefined;
  #lastSent = 0;
  #count = 0;
  #sending: Promise<unknown> | undefined;
  #closed = false;

  constructor(
    private readonly about: VoiceOf,
    private readonly append: (event: NewEvent<'node.progressed'>) => Promise<unknown>,
    private readonly now: () => number = () => performance.now(),
  ) {}

  progress({ fraction, message, data }: Progress): void {
    const said = { ...this.#pending };
    if (fraction !== undefined && Number.isFinite(fraction)) said.fraction = Math.min(1, Math.max(0, fraction));
    if (message !== undefined) said.message = String(message);
    if (data !== undefined) said.data = data;
    this.#say(said);
  }

  text(chunk: string): void {
    if (chunk === '') return;
    this.#say({ ...this.#pending, text: (this.#pending?.text ?? '') + chunk });
  }

  /** Sends what is left and waits until the log has all of it: the report must come after it. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#flush();
    this.#closed = true;
    await this.#sending;
  }

  #say(pending: Said): void {
    if (this.#closed) return;
    this.#pending = pending;
    const wait = this.#lastSent + INTERVAL_MS - this.now();
    if (wait <= 0 || this.#lastSent === 0 || (pending.text?.length ?? 0) >= PORTION_CHARS) this.#flush();
    else this.#timer ??= setTimeout(() => this.#flush(), wait);
  }

  #flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const pending = this.#pending;
    if (!pending) return;
    this.#pending = undefined;
    this.#lastSent = this.now();
    this.#count += 1;
    const { runId, key, traceparent, nodeId, attempt, worker, delivery } = this.about;
    const data: Progressed = { nodeId, attempt, worker, ...pending };
    const id = `${runId}:progress:${nodeId}:${attempt}:${delivery}.${this.#count}`;
    // Progress is worth a try, not a failure of the step.
    const sent = this.append({ type: 'node.progressed', runId, id, data, key, traceparent }).catch(() => undefined);
    this.#sending = Promise.all([this.#sending, sent]);
  }
}
