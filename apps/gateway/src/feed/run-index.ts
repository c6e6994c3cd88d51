/**
 * Places of messages that are remembered, about 40 bytes each with what surrounds them; the runs that were noticed first
 * are forgotten first.
 */
const REMEMBERED = 1_000_000;
/**
 * How long a reader waits for the feed before it looks the run up in the log itself. Long: that costs the server most
 * just when everybody is late.
 */
const PATIENCE_MS = 2_000;

/** A run's messages by their sequence. */
export interface Places {
  seqs: number[];
  /** From its first message on. While a run is looked up its new messages are gathered. */
  complete: boolean;
}

/**
 * Where in the log the messages of each run lie, as the live feed sees them come by. Looking a run up in the log by its
 * subjects costs the server the more the more runs there are; a message whose place is known costs the same for ever.
 * No more than a memory: what is not known here is looked up once, and known from then on.
 */
export class RunIndex {
  readonly #runs = new Map<string, Places>();
  readonly #waiting = new Set<{ seq: number; resolve: (reached: boolean) => void }>();
  #size = 0;
  #position = 0;
  #attached = false;
  /** Of every run that was submitted after this sequence it is known where its messages lie. */
  #since = 0;

  /** Asks the feed to look at the log now. */
  hurry: () => void = () => undefined;

  constructor(
    private readonly remembered = REMEMBERED,
    private readonly patienceMs = PATIENCE_MS,
  ) {}

  /** The feed sees everything after this sequence. */
  attach(position: number): void {
    this.#attached = true;
    this.#position = this.#since = position;
  }

  /** The feed has ended: what comes meanwhile is missed. */
  detach(): void {
    this.#attached = false;
    this.#runs.clear();
    this.#size = 0;
    for (const waiter of this.#waiting) waiter.resolve(false);
  }

  saw(type: string, runId: string, seq: number): void {
    let places = this.#runs.get(runId);
    if (!places?.complete && type === 'run.submitted') {
      places = { seqs: [], complete: true };
      this.#runs.set(runId, places);
    }
    // A run that was looked up may be known further than a feed that is late has come.
    if (!places || seq <= (places.seqs.at(-1) ?? 0)) return;
    places.seqs.push(seq);
    this.#size += 1;
  }

  /** Everything up to here was seen. */
  advance(seq: number): void {
    this.#position = seq;
    for (const waiter of this.#waiting) if (waiter.seq <= seq) waiter.resolve(true);
    if (this.#size > this.remembered) this.#forget();
  }

  /** Resolves with true when everything up to a sequence was seen, with false when that cannot be waited for. */
  async upTo(seq: number): Promise<boolean> {
    if (!this.#attached || this.#position >= seq) return this.#attached;
    this.hurry();
    let resolve!: (reached: boolean) => void;
    const reached = new Promise<boolean>((settle) => (resolve = settle));
    const waiter = { seq, resolve };
    const patience = setTimeout(() => resolve(false), this.patienceMs);
    this.#waiting.add(waiter);
    try {
      return await reached;
    } finally {
      clearTimeout(patience);
      this.#waiting.delete(waiter);
    }
  }

  /**
   * A run of which nothing is known here can only have been submitted up to this sequence, or after what was seen;
   * undefined when something is known of it, or while nothing is seen.
   */
  submittedBefore(runId: string): number | undefined {
    return this.#attached && !this.#runs.get(runId)?.complete ? this.#since : undefined;
  }

  /** The places of a run's messages, in order; undefined when not all of them are known. */
  placesOf(runId: string): readonly number[] | undefined {
    const places = this.#runs.get(runId);
    return places?.complete ? places.seqs : undefined;
  }

  /**
   * A run that is not known is about to be read from the log: what comes meanwhile is gathered in what is returned, for
   * {@link finish}. Undefined: nothing to do.
   */
  begin(runId: string): Places | undefined {
    if (!this.#attached || this.#runs.has(runId)) return undefined;
    const gathered = { seqs: [], complete: false };
    this.#runs.set(runId, gathered);
    return gathered;
  }

  /** All of its messages that lay in the log; none when reading them failed. */
  finish(runId: string, places: Places, stored: readonly number[] | undefined): void {
    // Forgotten meanwhile, and perhaps begun again by somebody else: what came between the two was not gathered.
    if (this.#runs.get(runId) !== places) return;
    const last = stored?.at(-1);
    this.#runs.delete(runId);
    this.#size -= places.seqs.length;
    if (!stored || last === undefined) return;
    const seqs = [...stored, ...places.seqs.filter((seq) => seq > last)];
    this.#size += seqs.length;
    this.#runs.set(runId, { seqs, complete: true });
  }

  #forget(): void {
    for (const [runId, { seqs }] of this.#runs) {
      this.#runs.delete(runId);
      this.#size -= seqs.length;
      // Nobody knows when the next of them was submitted: all that were seen up to now may be forgotten.
      this.#since = this.#position;
      if (this.#size <= this.remembered * 0.9) return;
    }
  }
}
