/** A directed graph over node numbers, as adjacency lists both ways. */
export interface Graph {
  readonly size: number;
  readonly outgoing: number[][];
  readonly incoming: number[][];
}

export function emptyGraph(size: number): Graph {
  return { size, outgoing: Array.from({ length: size }, () => []), incoming: Array.from({ length: size }, () => []) };
}

export function connect(graph: Graph, from: number, to: number): void {
  graph.outgoing[from]!.push(to);
  graph.incoming[to]!.push(from);
}

/**
 * The nodes in an order in which every edge points forward, lowest number first where the edges leave a choice; or the
 * nodes of one cycle, in its order.
 */
export function topologicalOrder(graph: Graph): { order: Int32Array } | { cycle: number[] } {
  const { size, incoming, outgoing } = graph;
  const unmet = Int32Array.from(incoming, (list) => list.length);
  const order = new Int32Array(size);
  const heap = new NumberHeap();
  for (let node = 0; node < size; node++) if (unmet[node] === 0) heap.push(node);
  let done = 0;
  for (let node = heap.pop(); node !== undefined; node = heap.pop()) {
    order[done++] = node;
    for (const next of outgoing[node]!) if (--unmet[next]! === 0) heap.push(next);
  }
  return done === size ? { order } : { cycle: findCycle(graph, unmet) };
}

/** One cycle among the nodes that a topological order could not reach: walking backwards must meet itself. */
function findCycle({ incoming, size }: Graph, unmet: Int32Array): number[] {
  let node = 0;
  while (node < size && unmet[node] === 0) node++;
  const seenAt = new Map<number, number>();
  const path: number[] = [];
  while (!seenAt.has(node)) {
    seenAt.set(node, path.length);
    path.push(node);
    node = incoming[node]!.find((before) => unmet[before]! > 0)!;
  }
  const cycle = path.slice(seenAt.get(node)).reverse();
  const lowest = cycle.indexOf(Math.min(...cycle));
  return [...cycle.slice(lowest), ...cycle.slice(0, lowest)];
}

/** Longest path that ends at each node, counted in nodes. */
export function depths(graph: Graph, order: Int32Array): Int32Array {
  const depth = new Int32Array(graph.size).fill(1);
  for (const node of order) {
    for (const next of graph.outgoing[node]!) if (depth[next]! <= depth[node]!) depth[next] = depth[node]! + 1;
  }
  return depth;
}

class NumberHeap {
  private readonly items: number[] = [];

  push(item: number): void {
    const { items } = this;
    let at = items.push(item) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (items[parent]! <= item) break;
      items[at] = items[parent]!;
      at = parent;
    }
    items[at] = item;
  }

  pop(): number | undefined {
    const { items } = this;
    const top = items[0];
    const last = items.pop();
    if (top === undefined || items.length === 0) return top;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= items.length) break;
      if (child + 1 < items.length && items[child + 1]! < items[child]!) child++;
      if (items[child]! >= last!) break;
      items[at] = items[child]!;
      at = child;
    }
    items[at] = last!;
    return top;
  }
}
