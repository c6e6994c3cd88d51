import type { DraftEdge, DraftNode, FacetSource } from '@flex/contracts';
import type { Graph } from './graph.js';

/** A draft's node with what it reads and writes for certain. */
export interface FlowNode {
  readonly draft: DraftNode;
  readonly required: readonly string[];
  readonly optional: readonly string[];
  /** Names of the node's own literal inputs. */
  readonly literals: ReadonlySet<string>;
  /** It has started: nothing is put before it any more. */
  readonly started?: boolean;
}

export interface FlowEdge {
  from: number;
  to: number;
  facets: string[];
  condition?: DraftEdge['condition'];
}

export interface Flow {
  edges: FlowEdge[];
  /** Where each node's facets come from, by node number. */
  sources: FacetSource[][];
  /** Where the facets come from that the answer is made of. */
  goalSources: FacetSource[];
  /** Required facets that nothing provides, by node number. */
  unavailable: string[][];
  graph: Graph;
  order: Int32Array;
  depth: Int32Array;
}

export interface FlowQuestion {
  nodes: readonly FlowNode[];
  /** Edges of the draft, between existing nodes. */
  edges: readonly { from: number; to: number; condition?: DraftEdge['condition'] }[];
  /** Facets that the run has before any node ran. */
  available: ReadonlySet<string>;
  /** A facet and what it specialises, nearest first. */
  ancestors(facet: string): readonly string[];
  /** Facets that the answer is made of: read by a last node that exists only here. */
  goals: readonly string[];
}

/** The answer reads like a node that comes last of all. */
export const goalNode = (goals: readonly string[]): FlowNode => ({
  draft: { id: '', kind: 'execution', label: '', inputFacets: [...goals], outputFacets: [] },
  required: [],
  optional: goals,
  literals: new Set(),
});
