import type { Graph } from './graph.js';

/** From this many readers of one facet on, one sweep over the graph is cheaper than a search from each reader. */
const SWEEP_FROM = 5;
const NOTHING: readonly number[] = [];

/** Answers, for a graph in topological order, which nodes come before which. */
export class Precedence {
  private readonly seen: Int32Array;
  private stamp = 0;
  /** Producers that reach beyond each node; working memory of a sweep. */
  private readonly leaving: (readonly number[])[];

  constructor(
    private readonly graph: Graph,
    private readonly position: Int32Array,
    private readonly order: Int32Array,
    /** 1 for nodes that may not run: they do not hide what comes before them. */
    private readonly conditional: Uint8Array,
  ) {
    this.seen = new Int32Array(graph.size);
    this.leaving = Array.from({ length: graph.size }, () => NOTHING);
  }

  /** For each reader the producers that reach it with no certain producer in between. */
  closest(readers: readonly number[], producers: readonly number[]): number[][] {
    if (producers.length === 0) return readers.map(() => []);
    const produces = new Set(producers);
    let first = this.graph.size;
    for (const producer of producers) first = Math.min(first, this.position[producer]!);
    return readers.length < SWEEP_FROM
      ? readers.map((reader) => this.searchBack(reader, produces, first))
      : this.sweep(readers, produces, first);
  }

  private searchBack(reader: number, produces: ReadonlySet<number>, first: number): number[] {
    const { incoming } = this.graph;
    const stamp = ++this.stamp;
    const found: number[] = [];
    const queue = [reader];
    for (let node = queue.pop(); node !== undefined; node = queue.pop()) {
      for (const before of incoming[node]!) {
        if (this.seen[before] === stamp || this.position[before]! < first) continue;
        this.seen[before] = stamp;
        if (produces.has(before)) {
          found.push(before);
          if (this.conditional[before] === 0) continue;
        }
        queue.push(before);
      }
    }
    return found;
  }

  private sweep(readers: readonly number[], produces: ReadonlySet<number>, first: number): number[][] {
    const { incoming } = this.graph;
    const { order, position, leaving } = this;
    let last = -1;
    for (const reader of readers) last = Math.max(last, position[reader]!);
    // What leaves a node before `first` is left over from another sweep; edges from there are not looked at.
    const arrivingAt = (node: number): readonly number[] => {
      let into: readonly number[] = NOTHING;
      let merged: Set<number> | undefined;
      for (const before of incoming[node]!) {
        if (position[before]! < first) continue;
        const part = leaving[before]!;
        if (part === into || part.length === 0) continue;
        if (into.length === 0) into = part;
        else {
          merged ??= new Set(into);
          for (const producer of part) merged.add(producer);
        }
      }
      return merged === undefined ? into : [...merged];
    };
    const wanted = new Set(readers);
    const arriving = new Map<number, readonly number[]>();
    for (let at = first; at <= last; at++) {
      const node = order[at]!;
      const into = arrivingAt(node);
      if (wanted.has(node)) arriving.set(node, into);
      leaving[node] = !produces.has(node) ? into : this.conditional[node] === 0 ? [node] : [...into, node];
    }
    return readers.map((reader) => [...(arriving.get(reader) ?? NOTHING)]);
  }

  /** Those of some nodes that come before another, certain one of them: their value is replaced for sure. */
  hidden(nodes: readonly number[], depth: Int32Array): Set<number> {
    return this.before(
      nodes.filter((node) => this.conditional[node] === 0),
      new Set(nodes),
      depth,
    );
  }

  /** Those of a group that come before any of these nodes; searched no higher up than the group reaches. */
  before(nodes: readonly number[], group: ReadonlySet<number>, depth: Int32Array): Set<number> {
    let shallowest = Infinity;
    for (const node of group) shallowest = Math.min(shallowest, depth[node]!);
    const found = new Set<number>();
    const stamp = ++this.stamp;
    const queue = nodes.filter((node) => depth[node]! > shallowest);
    for (let at = queue.pop(); at !== undefined; at = queue.pop()) {
      for (const next of this.graph.incoming[at]!) {
        if (this.seen[next] === stamp || depth[next]! < shallowest) continue;
        this.seen[next] = stamp;
        if (group.has(next)) found.add(next);
        queue.push(next);
      }
    }
    return found;
  }
}
