/** The nodes that write one facet, in the order of the draft, to be asked for the closest before a reader. */
export class ProducersInOrder {
  private readonly byBranch = new Map<string | undefined, number[]>();

  constructor(
    /** Producers in order. */
    readonly all: readonly number[],
    private readonly position: Int32Array,
    private readonly branchOf: (node: number) => string | undefined,
  ) {
    for (const producer of all) {
      const branch = branchOf(producer);
      const list = this.byBranch.get(branch);
      if (list === undefined) this.byBranch.set(branch, [producer]);
      else list.push(producer);
    }
  }

  /**
   * The producers that a reader gets the facet from: back to the last certain one, of its own branch if that has any, else
   * of no branch; a reader of no branch collects the last ones of every branch on the way.
   */
  before(reader: number, branchId: string | undefined, isCertain: (node: number) => boolean): number[] {
    if (branchId === undefined) return this.behindBranches(reader, isCertain);
    const own = this.upTo(reader, this.byBranch.get(branchId), isCertain);
    return own.length > 0 ? own : this.upTo(reader, this.byBranch.get(undefined), isCertain);
  }

  /** The first producer after a reader, for drafts that list a producer behind its consumer. */
  after(reader: number, branchId: string | undefined): number[] {
    for (let at = this.countBefore(this.all, reader); at < this.all.length; at++) {
      const producer = this.all[at]!;
      const branch = this.branchOf(producer);
      if (producer !== reader && (branchId === undefined || branch === undefined || branch === branchId))
        return [producer];
    }
    return [];
  }

  private upTo(reader: number, list: readonly number[] = [], isCertain: (node: number) => boolean): number[] {
    const chosen: number[] = [];
    for (let at = this.countBefore(list, reader) - 1; at >= 0; at--) {
      chosen.push(list[at]!);
      if (isCertain(list[at]!)) break;
    }
    return chosen.reverse();
  }

  private behindBranches(reader: number, isCertain: (node: number) => boolean): number[] {
    const chosen: number[] = [];
    const closed = new Set<string | undefined>();
    for (let at = this.countBefore(this.all, reader) - 1; at >= 0; at--) {
      const producer = this.all[at]!;
      const branch = this.branchOf(producer);
      if (closed.has(branch)) continue;
      // What was written before the branches parted is what they replace.
      if (branch === undefined && closed.size > 0) break;
      chosen.push(producer);
      if (!isCertain(producer)) continue;
      if (branch === undefined) break;
      closed.add(branch);
    }
    return chosen.reverse();
  }

  /** How many of a list come before a node. */
  private countBefore(list: readonly number[], node: number): number {
    let [low, high] = [0, list.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.position[list[middle]!]! < this.position[node]!) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
