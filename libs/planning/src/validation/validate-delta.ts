import type {
  CompiledDelta,
  DeltaOperation,
  DraftEdge,
  DraftNode,
  PlanDelta,
  PlanEdge,
  PlanGraph,
  PlannerDiagnostic,
  PlannerDraft,
  PlanNode,
} from '@flex/contracts';
import { issuesOf, PlanDelta as PlanDeltaSchema } from '@flex/contracts';
import { edgeKey } from '../delta/merge-delta.js';
import { sameJson } from '../delta/same-json.js';
import { nearestName } from '../naming/nearest-name.js';
import { compileGraph, type CompiledGraph } from './compile-graph.js';
import { Findings } from './findings.js';
import type { PlanningQuestion, PlanOrigin } from './planning-question.js';

export interface PlanProgress {
  completed: ReadonlySet<string>;
  running: ReadonlySet<string>;
  failed?: ReadonlySet<string>;
}

/**
 * Judges changes to a version of a plan by the same pipeline as a draft, on the graph that they result in. Finished nodes
 * are locked, running ones may only be cancelled by name. The compiled delta holds what changes, including nodes and
 * edges that change only because of others.
 */
export function validateDelta(
  question: PlanningQuestion,
  plan: PlanGraph,
  progress: PlanProgress,
  delta: PlanDelta,
  origin: PlanOrigin,
): { delta?: CompiledDelta; diagnostics: PlannerDiagnostic[] } {
  const findings = new Findings();
  for (const { pointer, message } of issuesOf(PlanDeltaSchema, delta))
    findings.error('DRAFT_MALFORMED', `The delta ${pointer === '' ? '' : `at ${pointer} `}${message}`, { pointer });
  if (findings.failed) return { diagnostics: findings.list() };
  if (delta.baseVersion !== plan.version) {
    findings.error(
      'STALE_BASE_VERSION',
      `The delta is for version ${delta.baseVersion}; the plan is at version ${plan.version}`,
      {
        pointer: '/baseVersion',
        suggestion: `Make it anew on version ${plan.version}`,
      },
    );
    return { diagnostics: findings.list() };
  }
  const edit = new PlanEdit(plan, progress, findings);
  delta.operations.forEach((operation, at) => edit.apply(operation, `/operations/${at}`));
  if (findings.failed) return { diagnostics: findings.list() };
  // Running work is left alone like finished work, but for what is called off.
  const settledNodes = plan.nodes.filter(
    (node) => progress.completed.has(node.id) || (progress.running.has(node.id) && !edit.cancelled.has(node.id)),
  );
  const draft: PlannerDraft = {
    ...edit.draft(),
    ...(delta.metadata === undefined ? {} : { metadata: delta.metadata }),
  };
  const compiled = compileGraph(question, draft, origin, findings, {
    done: new Map(settledNodes.map((node) => [node.id, node])),
    before: new Map(plan.nodes.map((node) => [node.id, node])),
  });
  const diagnostics = findings.list();
  if (compiled === undefined || findings.failed) return { diagnostics };
  return { delta: differences(plan, compiled, [...edit.cancelled]), diagnostics };
}

/** A plan's drafts under change. */
class PlanEdit {
  readonly cancelled = new Set<string>();
  private readonly nodes: Map<string, DraftNode>;
  private readonly edges: Map<string, DraftEdge>;
  /** Nodes that the delta replaces. */
  private readonly renewed = new Set<string>();

  constructor(
    private readonly plan: PlanGraph,
    private readonly progress: PlanProgress,
    private readonly findings: Findings,
  ) {
    this.nodes = new Map(plan.nodes.map((node) => [node.id, node.draft]));
    this.edges = new Map(plan.edges.map((edge) => [edgeKey(edge), draftEdge(edge)]));
  }

  apply(operation: DeltaOperation, pointer: string): void {
    switch (operation.op) {
      case 'addNode':
        if (this.nodes.has(operation.node.id)) {
          this.findings.error('DUPLICATE_NODE', `The plan already has a node ${operation.node.id}`, {
            nodeId: operation.node.id,
            pointer: `${pointer}/node/id`,
            suggestion: 'Use replaceNode, or another id',
          });
        } else this.nodes.set(operation.node.id, operation.node);
        return;
      case 'replaceNode':
        if (this.mayChange(operation.node.id, `${pointer}/node/id`)) {
          this.nodes.set(operation.node.id, operation.node);
          this.renewed.add(operation.node.id);
        }
        return;
      case 'removeNode':
        if (this.mayChange(operation.nodeId, `${pointer}/nodeId`)) this.remove(operation.nodeId);
        return;
      case 'cancelNode':
        return this.cancel(operation.nodeId, `${pointer}/nodeId`);
      case 'addEdge':
        return this.addEdge(operation.edge, `${pointer}/edge`);
      case 'removeEdge':
        return this.removeEdge(operation, pointer);
    }
  }

  private mayChange(nodeId: string, pointer: string): boolean {
    if (!this.known(nodeId, pointer)) return false;
    if (this.progress.completed.has(nodeId)) {
      this.findings.error('COMPLETED_NODE_CHANGED', `${nodeId} has finished and cannot be changed`, {
        nodeId,
        pointer,
        suggestion: 'Add a new node instead',
      });
      return false;
    }
    if (this.progress.running.has(nodeId) && !this.cancelled.has(nodeId)) {
      this.findings.error('COMPLETED_NODE_CHANGED', `${nodeId} is running and cannot be changed`, {
        nodeId,
        pointer,
        suggestion: `Cancel it first: {"op": "cancelNode", "nodeId": "${nodeId}"}`,
      });
      return false;
    }
    return true;
  }

  private known(nodeId: string, pointer: string): boolean {
    if (this.nodes.has(nodeId)) return true;
    const meant = nearestName(nodeId, this.nodes.keys());
    this.findings.error('UNKNOWN_NODE', `The plan has no node ${nodeId}`, {
      nodeId,
      pointer,
      suggestion: meant === undefined ? undefined : `Did you mean ${meant}?`,
    });
    return false;
  }

  /** Work in flight is called off; a node that has not begun needs no cancelling but may be named all the same. */
  private cancel(nodeId: string, pointer: string): void {
    if (!this.known(nodeId, pointer)) return;
    if (this.progress.completed.has(nodeId)) {
      this.findings.error('COMPLETED_NODE_CHANGED', `${nodeId} has finished and cannot be cancelled`, {
        nodeId,
        pointer,
      });
      return;
    }
    this.cancelled.add(nodeId);
  }

  private remove(nodeId: string): void {
    this.nodes.delete(nodeId);
    for (const [key, edge] of this.edges) if (edge.from === nodeId || edge.to === nodeId) this.edges.delete(key);
  }

  private addEdge(edge: DraftEdge, pointer: string): void {
    if (this.progress.completed.has(edge.to) || (this.progress.running.has(edge.to) && !this.cancelled.has(edge.to))) {
      this.findings.error('COMPLETED_NODE_CHANGED', `${edge.to} has already started; nothing can be put before it`, {
        nodeId: edge.to,
        pointer: `${pointer}/to`,
      });
      return;
    }
    // Ends that do not exist are found with the graph, also those that a later operation adds.
    this.edges.set(edgeKey(edge), edge);
  }

  private removeEdge(edge: { from: string; to: string }, pointer: string): void {
    if (this.progress.completed.has(edge.to)) {
      this.findings.error('COMPLETED_NODE_CHANGED', `${edge.to} has finished; its edges stay`, {
        nodeId: edge.to,
        pointer,
      });
    } else if (!this.edges.delete(edgeKey(edge))) {
      this.findings.error('DANGLING_EDGE', `The plan has no edge ${edge.from} -> ${edge.to}`, { pointer });
    }
  }

  draft(): PlannerDraft {
    // What was called off or has failed for good gives nothing any more, unless the delta puts something in its place.
    for (const nodeId of [...this.cancelled, ...(this.progress.failed ?? [])])
      if (!this.renewed.has(nodeId)) this.remove(nodeId);
    return {
      nodes: [...this.nodes.values()],
      edges: [...this.edges.values()].filter((edge) => !this.isOutdated(edge)),
    };
  }

  /** A data edge into or out of a replaced node that carries nothing any more. */
  private isOutdated(edge: DraftEdge): boolean {
    if (!this.renewed.has(edge.to) && !this.renewed.has(edge.from)) return false;
    if (edge.condition !== undefined || edge.facets === undefined || edge.facets.length === 0) return false;
    const [from, to] = [this.nodes.get(edge.from), this.nodes.get(edge.to)];
    return (
      from !== undefined &&
      to !== undefined &&
      !edge.facets.some((facet) => to.inputFacets.includes(facet) && from.outputFacets.length > 0)
    );
  }
}

const draftEdge = ({ from, to, facets, condition }: PlanEdge): DraftEdge => ({
  from,
  to,
  facets,
  ...(condition === undefined ? {} : { condition }),
});

function differences(plan: PlanGraph, compiled: CompiledGraph, cancelNodes: string[]): CompiledDelta {
  const nodesBefore = new Map<string, PlanNode>(plan.nodes.map((node) => [node.id, node]));
  const nodesAfter = new Set(compiled.nodes.map((node) => node.id));
  const edgesBefore = new Map(plan.edges.map((edge) => [edgeKey(edge), edge]));
  const edgesAfter = new Map(compiled.edges.map((edge) => [edgeKey(edge), edge]));
  return {
    baseVersion: plan.version,
    addNodes: compiled.nodes.filter((node) => !nodesBefore.has(node.id)),
    replaceNodes: compiled.nodes.filter((node) => nodesBefore.has(node.id) && nodesBefore.get(node.id) !== node),
    removeNodes: plan.nodes.filter((node) => !nodesAfter.has(node.id)).map((node) => node.id),
    cancelNodes,
    addEdges: compiled.edges.filter((edge) => !sameJson(edgesBefore.get(edgeKey(edge)), edge)),
    removeEdges: plan.edges
      .filter((edge) => !sameJson(edgesAfter.get(edgeKey(edge)), edge))
      .map(({ from, to }) => ({ from, to })),
    ...(sameJson(plan.output, compiled.output) ? {} : { output: compiled.output }),
    metadata: compiled.metadata,
  };
}
