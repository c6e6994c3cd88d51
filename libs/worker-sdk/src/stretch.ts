import type { EventData, Json, NextStep, StepResult } from '@flex/contracts';
import type { LogEvent } from '@flex/events';

type Dispatched = LogEvent<'node.dispatched'>;
type Reported = EventData<'node.reported'>;
type Place = NonNullable<Reported['at']>;

/** A worker goes on by itself with steps that a dispatch names for this long; what takes longer is dispatched step by step. */
export const RUN_ON_MS = 100;
/** About so many characters of outputs go into one report; with more it is sent. */
const MAX_SIZE = 256 * 1024;

interface Done {
  result: StepResult;
  /** Bus key of its capability: what it is reported under. */
  key: string | undefined;
}

/**
 * The steps that a worker does because of one dispatch: the dispatched one, and as long as they are quick and nothing fails
 * those that it names beside. They are reported together; the one that turns out to be slow, or that speaks, by itself,
 * after a report of those before it.
 */
export class Stretch {
  readonly #began = performance.now();
  readonly #made = new Map<string, Record<string, Json>>();
  readonly #timer: NodeJS.Timeout | undefined;
  #done: Done[] = [];
  #at: Place | undefined;
  #place = 0;
  /** Room that is left in the report. */
  #room = MAX_SIZE;
  #sound = false;
  #sent: Promise<void> | undefined;
  /** The log knows that this worker is at the present step: nobody else will be sent it. */
  #told = false;

  constructor(
    private readonly first: Dispatched,
    private readonly send: (report: Reported, key: string | undefined) => Promise<void>,
    /** Whether this worker does the steps of a capability; asked of others than the first's. */
    private readonly serves: (key: string) => boolean,
  ) {
    if (first.data.next) this.#timer = setTimeout(() => this.tell(), RUN_ON_MS);
  }

  /** A step has an end; `sound` when others may build on it. */
  add(result: StepResult, key: string | undefined, sound: boolean): void {
    this.#done.push({ result, key });
    this.#sound = sound;
    this.#at = undefined;
    if (!result.outputs || !this.first.data.next) return;
    this.#made.set(result.nodeId, result.outputs);
    this.#room = roomAfter(result.outputs, this.#room);
  }

  /** The step to go on with. */
  next(isCancelled: (runId: string, nodeId: string, attempt: number) => boolean): Dispatched | undefined {
    const { runId, data } = this.first;
    const step = data.next?.[this.#place];
    if (!step || !this.#sound || this.#room < 0 || performance.now() - this.#began >= RUN_ON_MS) return undefined;
    if (step.key !== undefined && !this.serves(step.key)) return undefined;
    if (isCancelled(runId, step.nodeId, step.attempt)) return undefined;
    const inputs = this.#inputsOf(step);
    if (!inputs) return undefined;
    this.#place++;
    this.#told = false;
    this.#at = { nodeId: step.nodeId, attempt: step.attempt };
    const { key = this.first.key, capabilityId = data.capabilityId, outputSchema = data.outputSchema, ...own } = step;
    const { instruction } = step;
    // What is read from the headers is not copied by itself.
    const { traceparent } = this.first;
    return {
      ...this.first,
      traceparent,
      key,
      data: { ...data, ...own, capabilityId, inputs, outputSchema, instruction },
    };
  }

  /** Reports what is done while a further step goes on, once. */
  tell(): void {
    if (!this.#at || this.#told) return;
    this.#told = true;
    this.#flush(this.#at);
  }

  /** Whether the present step can be left to whoever it is dispatched to next. */
  get canBeCut(): boolean {
    return this.#at !== undefined && !this.#told;
  }

  /** Resolves when the log has everything that came about. */
  async end(): Promise<void> {
    clearTimeout(this.#timer);
    if (this.#done.length > 0) this.#flush();
    await this.#sent;
  }

  /** A report for each row of steps of one capability, naming the step that comes after it. */
  #flush(at?: Place): void {
    const done = this.#done;
    this.#done = [];
    for (let from = 0; from < done.length;) {
      const { key, result } = done[from]!;
      let to = from + 1;
      while (to < done.length && done[to]!.key === key) to++;
      const after = done[to]?.result;
      const further = done.slice(from + 1, to).map((one) => one.result);
      const place = after ? { nodeId: after.nodeId, attempt: after.attempt, follows: true } : at;
      this.#send({ ...result, ...(further.length > 0 ? { further } : {}), ...(place ? { at: place } : {}) }, key);
      from = to;
    }
  }

  /** All under way together: they may come in any order. */
  #send(report: Reported, key: string | undefined): void {
    const sent = this.send(report, key);
    this.#sent = this.#sent ? Promise.all([this.#sent, sent]).then(() => undefined) : sent;
    this.#sent.catch(() => undefined);
  }

  /** What is known and what steps before it made; undefined when one of them left something out. */
  #inputsOf({ inputs, take }: NextStep): Record<string, Json> | undefined {
    if (!take) return inputs;
    const taken = { ...inputs };
    for (const [name, { nodeId, facet }] of Object.entries(take)) {
      const value = this.#made.get(nodeId)?.[facet];
      if (value === undefined) return undefined;
      taken[name] = value;
    }
    return taken;
  }
}

/** What is left of some room when a value has taken its part; looks no further once there is none. */
function roomAfter(value: Json, room: number): number {
  if (typeof value === 'string') return room - value.length;
  if (typeof value !== 'object' || value === null) return room - 8;
  let left = room;
  for (const [name, member] of Object.entries(value)) {
    if (left < 0) return left;
    left = roomAfter(member, left - name.length);
  }
  return left;
}
