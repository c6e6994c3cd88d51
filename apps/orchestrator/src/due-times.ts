/** Due times by run: a binary heap in which entries that were overtaken are dropped when they come up. */
export class DueTimes {
  readonly #heap: { time: number; runId: string }[] = [];
  readonly #current = new Map<string, number>();

  /** Sets a run's due time; `Number.MAX_SAFE_INTEGER` means never. */
  set(runId: string, time: number): void {
    if (this.#current.get(runId) === time) return;
    if (time === Number.MAX_SAFE_INTEGER) {
      this.#current.delete(runId);
      return;
    }
    this.#current.set(runId, time);
    this.#push({ time, runId });
  }

  /** The earliest due time; undefined when nothing is due ever. */
  get earliest(): number | undefined {
    this.#drop();
    return this.#heap[0]?.time;
  }

  /** Takes out the runs that are due. */
  take(now: number): string[] {
    const due: string[] = [];
    for (this.#drop(); this.#heap[0] && this.#heap[0].time <= now; this.#drop()) {
      const { runId } = this.#pop()!;
      this.#current.delete(runId);
      due.push(runId);
    }
    return due;
  }

  #drop(): void {
    while (this.#heap[0] && this.#current.get(this.#heap[0].runId) !== this.#heap[0].time) this.#pop();
  }

  #push(entry: { time: number; runId: string }): void {
    const heap = this.#heap;
    heap.push(entry);
    for (let i = heap.length - 1; i > 0;) {
      const parent = (i - 1) >> 1;
      if (heap[parent]!.time <= heap[i]!.time) break;
      [heap[parent], heap[i]] = [heap[i]!, heap[parent]!];
      i = parent;
    }
  }

  #pop(): { time: number; runId: string } | undefined {
    const heap = this.#heap;
    const top = heap[0];
    const last = heap.pop();
    if (heap.length === 0 || !last) return top;
    heap[0] = last;
    for (let i = 0; ;) {
      const left = 2 * i + 1;
      if (left >= heap.length) break;
      const child = left + 1 < heap.length && heap[left + 1]!.time < heap[left]!.time ? left + 1 : left;
      if (heap[i]!.time <= heap[child]!.time) break;
      [heap[child], heap[i]] = [heap[i]!, heap[child]!];
      i = child;
    }
    return top;
  }
}
