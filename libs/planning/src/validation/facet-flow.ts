import type { DraftEdge, FacetSource } from '@flex/contracts';
import { goalNode, type Flow, type FlowEdge, type FlowNode, type FlowQuestion } from './flow.js';
import { connect, depths, emptyGraph, topologicalOrder, type Graph } from './graph.js';
import { Precedence } from './precedence.js';
import { ProducersInOrder } from './producers-in-order.js';

/**
 * Finds out which node gets which facet from where, and adds the edges that follow from it.
 *
 * Every edge of the draft stays. A node reads a facet from the closest producer before it along the edges; else, when
 * the draft says nothing (no edges at all, or nothing else has the facet), from the closest producer before it in the
 * draft's order, or a later one if there is none before. Siblings of the same branch come first, then nodes of no
 * branch; a node of no branch behind several branches reads from all of them. A producer that may not run (a fallback,
 * or behind a condition or a route) replaces the value of those before it (`over`) but does not hide them.
 */
export function traceFacets(question: FlowQuestion): Flow | { cycle: number[] } {
  const tracer = new Tracer(question);
  const written = topologicalOrder(tracer.graph);
  if ('cycle' in written) return written;
  tracer.chooseSources(written.order);
  const complete = topologicalOrder(tracer.graph);
  if ('cycle' in complete) return complete;
  const depth = depths(tracer.graph, complete.order);
  const sources = tracer.resolve(complete.order, depth);
  const goalSources = sources.pop()!;
  return {
    ...tracer.withoutGoal(),
    sources,
    goalSources,
    order: complete.order.filter((node) => node < sources.length),
    depth,
  };
}

const NONE: ReadonlySet<number> = new Set();

/** One facet that one node reads, and the producers that were found for it. */
interface Reading {
  node: number;
  facet: string;
  producers: number[];
  fromStart: boolean;
}

class Tracer {
  readonly graph: Graph;
  readonly edges: FlowEdge[] = [];
  readonly unavailable: string[][];
  private readonly edgeAt = new Map<number, FlowEdge>();
  private readonly producersOf = new Map<string, number[]>();
  /** Names under which the run's first facets can be read: their own, and those that they specialise. */
  private readonly given = new Map<string, string>();
  private readonly hasEdges: boolean;
  private readonly nodes: readonly FlowNode[];
  private readonly conditional: Uint8Array;
  private readonly readings: Reading[] = [];

  constructor(private readonly question: FlowQuestion) {
    const { edges, available, ancestors, goals } = question;
    const nodes = [...question.nodes, goalNode(goals)];
    this.nodes = nodes;
    this.graph = emptyGraph(nodes.length);
    this.unavailable = nodes.map(() => []);
    this.conditional = new Uint8Array(nodes.length);
    this.hasEdges = edges.length > 0;
    // What an edge carries follows from what its ends write and read, whatever the draft says.
    for (const edge of edges) this.link(edge.from, edge.to, [], edge.condition);
    const ids = new Map(nodes.map((node, number) => [node.draft.id, number]));
    nodes.forEach(({ draft }, number) => {
      for (const { to } of draft.routes ?? []) {
        const target = ids.get(to);
        if (target !== undefined && target !== number) this.link(number, target, []);
      }
      for (const output of draft.outputFacets) {
        for (const name of ancestors(output)) {
          const list = this.producersOf.get(name);
          if (list === undefined) this.producersOf.set(name, [number]);
          else if (list.at(-1) !== number) list.push(number);
        }
      }
    });
    const goal = nodes.length - 1;
    if (this.hasEdges) {
      for (let number = 0; number < goal; number++)
        if (this.graph.outgoing[number]!.length === 0) this.link(number, goal, []);
    }
    for (const facet of available) {
      for (const name of ancestors(facet)) if (name === facet || !this.given.has(name)) this.given.set(name, facet);
    }
  }

  private link(from: number, to: number, facets: readonly string[], condition?: DraftEdge['condition']): void {
    const key = from * this.graph.size + to;
    const existing = this.edgeAt.get(key);
    if (existing === undefined) {
      const edge: FlowEdge = { from, to, facets: [...facets], ...(condition === undefined ? {} : { condition }) };
      this.edgeAt.set(key, edge);
      this.edges.push(edge);
      connect(this.graph, from, to);
      return;
    }
    for (const facet of facets) if (!existing.facets.includes(facet)) existing.facets.push(facet);
    existing.condition ??= condition;
  }

  chooseSources(order: Int32Array): void {
    const { nodes } = this;
    const position = new Int32Array(nodes.length);
    order.forEach((node, at) => (position[node] = at));
    this.markConditional(order);
    const readers = new Map<string, number[]>();
    nodes.forEach((node, number) => {
      for (const facet of new Set([...node.required, ...node.optional])) {
        const list = readers.get(facet);
        if (list === undefined) readers.set(facet, [number]);
        else list.push(number);
      }
    });
    const precedence = new Precedence(this.graph, position, order, this.conditional);
    const upstream = new Map<string, { producers: ProducersInOrder; found: Map<number, number[]> }>();
    const branchOf = (node: number) => nodes[node]!.draft.branchId;
    for (const [facet, list] of readers) {
      const producers = this.producersOf.get(facet) ?? [];
      // A facet with one producer comes from there, be it along the edges or by the draft's order: no need to search.
      const only = producers.length === 1 && !this.given.has(facet) && branchOf(producers[0]!) === undefined;
      const searched = only ? list.filter((node) => nodes[node]!.started) : list;
      const closest = precedence.closest(searched, producers);
      upstream.set(facet, {
        producers: new ProducersInOrder(
          producers.toSorted((a, b) => position[a]! - position[b]!),
          position,
          branchOf,
        ),
        found: new Map(searched.map((node, index) => [node, closest[index]!])),
      });
    }
    nodes.forEach((node, number) => {
      for (const facet of new Set([...node.required, ...node.optional])) {
        const { producers, found } = upstream.get(facet)!;
        this.choose(number, facet, found.get(number) ?? [], producers);
      }
    });
    this.guardFallbacks();
  }

  private choose(node: number, facet: string, before: number[], producers: ProducersInOrder): void {
    const { draft, literals, required, started } = this.nodes[node]!;
    if (literals.has(facet)) return;
    const given = this.given.has(facet);
    let chosen = this.inBranch(draft.branchId, before);
    if (chosen.length === 0 && !started && !(given && this.hasEdges)) chosen = this.byOrder(node, producers, given);
    const certain = chosen.some((producer) => this.conditional[producer] === 0);
    if (chosen.length > 0 || given)
      this.readings.push({ node, facet, producers: chosen, fromStart: given && !certain });
    else if (required.includes(facet)) this.unavailable[node]!.push(facet);
  }

  /** Of the producers that come before along the edges, those that concern the branch. */
  private inBranch(branchId: string | undefined, producers: number[]): number[] {
    if (branchId === undefined || producers.length < 2) return producers;
    const branchOf = (number: number) => this.nodes[number]!.draft.branchId;
    const own = producers.filter((number) => branchOf(number) === branchId);
    if (own.length > 0) return own;
    const shared = producers.filter((number) => branchOf(number) === undefined);
    return shared.length > 0 ? shared : producers;
  }

  /** Producers by the draft's order, for a node to which no edge brings the facet. */
  private byOrder(node: number, producers: ProducersInOrder, given: boolean): number[] {
    const { branchId } = this.nodes[node]!.draft;
    const before = producers.before(node, branchId, (producer) => this.conditional[producer] === 0);
    const chosen = before.length > 0 || given ? before : producers.after(node, branchId);
    for (const producer of chosen) this.link(producer, node, []);
    return chosen;
  }

  /** Nodes that may not run although everything goes well: fallbacks, what is behind a condition or route, and what only follows such. */
  private markConditional(order: Int32Array): void {
    const { nodes } = this;
    for (const number of order) {
      const incoming = this.graph.incoming[number]!;
      const guarded = incoming.some(
        (before) =>
          nodes[before]!.draft.routes !== undefined ||
          this.edgeAt.get(before * this.graph.size + number)!.condition !== undefined,
      );
      const gated = guarded || (incoming.length > 0 && incoming.every((before) => this.conditional[before] === 1));
      this.conditional[number] = gated || nodes[number]!.draft.kind === 'fallback' ? 1 : 0;
    }
  }

  /** All nodes that wait for a node, directly or not. */
  private behind(number: number): Set<number> {
    const found = new Set<number>();
    const queue = [number];
    for (const node of queue)
      for (const next of this.graph.outgoing[node]!)
        if (!found.has(next)) {
          found.add(next);
          queue.push(next);
        }
    return found;
  }

  /** A fallback that the draft ties to nothing runs behind those whose work it replaces, when that work is missing. */
  private guardFallbacks(): void {
    this.nodes.forEach(({ draft }, number) => {
      if (draft.kind !== 'fallback' || draft.outputFacets.length === 0) return;
      const replaced = [...new Set(draft.outputFacets.flatMap((facet) => this.producersOf.get(facet) ?? []))].filter(
        (other) => {
          const { kind, branchId } = this.nodes[other]!.draft;
          return (
            other !== number && kind !== 'fallback' && (draft.branchId === undefined || branchId === draft.branchId)
          );
        },
      );
      if (
        replaced.length === 0 ||
        this.graph.incoming[number]!.some(
          (before) => this.edgeAt.get(before * this.graph.size + number)!.condition !== undefined,
        )
      )
        return;
      const absent = draft.outputFacets.map((facet) => ({ '!': [{ exists: `facets.${facet}` }] }));
      // Who works on with what the fallback gives isn't replaced by it: it comes later.
      const later = this.behind(number);
      for (const other of replaced) {
        if (!later.has(other)) this.link(other, number, [], absent.length === 1 ? absent[0]! : { or: absent });
      }
    });
  }

  /** Turns readings into sources, now that the graph is complete: what a later producer replaces is dropped. */
  resolve(order: Int32Array, depth: Int32Array): FacetSource[][] {
    const { nodes } = this;
    const position = new Int32Array(nodes.length);
    order.forEach((node, at) => (position[node] = at));
    const precedence = new Precedence(this.graph, position, order, this.conditional);
    const sources: FacetSource[][] = nodes.map(() => []);
    for (const { node, facet, producers, fromStart } of this.readings) {
      const hidden = producers.length < 2 ? NONE : precedence.hidden(producers, depth);
      const left = new Set(producers.filter((producer) => !hidden.has(producer)));
      if (fromStart) sources[node]!.push(source(facet, this.given.get(facet)!, { source: 'envelope' }));
      for (const producer of [...left].sort((a, b) => position[a]! - position[b]!)) {
        const as = this.writtenAs(producer, facet);
        const replaced =
          left.size < 2 || this.conditional[producer] === 0 ? NONE : precedence.before([producer], left, depth);
        const over = [...replaced].map((other) => nodes[other]!.draft.id);
        sources[node]!.push({
          ...source(facet, as, { source: 'node', nodeId: nodes[producer]!.draft.id }),
          ...(over.length > 0 ? { over } : {}),
        });
        this.link(producer, node, [facet]);
      }
    }
    nodes.forEach(({ literals, required, optional }, number) => {
      for (const facet of [...required, ...optional])
        if (literals.has(facet)) sources[number]!.push({ facet, source: 'branch' });
    });
    return sources;
  }

  /** The graph as others see it: without the node that stands for the answer. */
  withoutGoal(): { edges: FlowEdge[]; graph: Graph; unavailable: string[][] } {
    const goal = this.nodes.length - 1;
    const { incoming, outgoing } = this.graph;
    for (const number of incoming[goal]!) outgoing[number] = outgoing[number]!.filter((to) => to !== goal);
    return {
      edges: this.edges.filter((edge) => edge.to !== goal),
      graph: { size: goal, incoming: incoming.slice(0, goal), outgoing: outgoing.slice(0, goal) },
      unavailable: this.unavailable.slice(0, goal),
    };
  }

  /** The facet that a producer writes for a reader of `facet`: that one itself, or the nearest specialisation. */
  private writtenAs(producer: number, facet: string): string {
    const { outputFacets } = this.nodes[producer]!.draft;
    if (outputFacets.includes(facet)) return facet;
    const distance = (name: string) => this.question.ancestors(name).indexOf(facet);
    return outputFacets.filter((name) => distance(name) > 0).sort((a, b) => distance(a) - distance(b))[0] ?? facet;
  }
}

const source = (facet: string, as: string, from: Omit<FacetSource, 'facet' | 'as'>): FacetSource =>
  as === facet ? { facet, ...from } : { facet, ...from, as };
