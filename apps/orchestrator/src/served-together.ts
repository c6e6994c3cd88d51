/** Worker processes that are remembered; the ones that were noticed first are forgotten first. */
const REMEMBERED = 1_000;

/**
 * Which capabilities one process serves, as the reports of workers show it: a dispatch need not name steps that nobody will
 * go on with. A memory of this replica, made again from what it reads; nothing but the length of a dispatch depends on it.
 */
export class ServedTogether {
  readonly #served = new Map<string, Set<string>>();
  readonly #pairs = new Set<string>();

  /** A worker reported under the key of a capability. */
  note(worker: string | undefined, key: string | undefined): void {
    if (worker === undefined || key === undefined) return;
    let keys = this.#served.get(worker);
    if (keys?.has(key)) return;
    if (!keys) {
      this.#served.set(worker, (keys = new Set()));
      if (this.#served.size > REMEMBERED) this.#forget();
    }
    for (const other of keys) this.#pairs.add(`${key} ${other}`).add(`${other} ${key}`);
    keys.add(key);
  }

  readonly has = (key: string, other: string): boolean => this.#pairs.has(`${key} ${other}`);

  #forget(): void {
    const [oldest] = this.#served.keys();
    this.#served.delete(oldest!);
    this.#pairs.clear();
    for (const keys of this.#served.values())
      for (const key of keys) for (const other of keys) if (key !== other) this.#pairs.add(`${key} ${other}`);
  }
}
