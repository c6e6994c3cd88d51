import type { Branch, DraftEdge, DraftNode, PlannerDraft, Selection } from '@flex/contracts';
import type { Step, StepGraph } from './step-graph.js';

const LONGEST_ID = 200;

/** The draft that a graph of steps stands for: nodes in an order in which they can run, edges for everything waited for. */
export function draftOf(
  graph: StepGraph,
  branchRequests: readonly Branch[],
): { draft: PlannerDraft; selections: Record<string, Selection> } {
  const ids = shortIds(graph);
  const ordered = inOrder(graph);
  const selections: Record<string, Selection> = {};
  const edges: DraftEdge[] = [];
  const nodes = ordered.map((step): DraftNode => {
    const id = ids(step.id);
    if (step.selection !== undefined) selections[id] = step.selection;
    for (const from of graph.before(step)) {
      if (!graph.steps.has(from)) continue;
      const facets = [...step.reads].filter(([, providers]) => providers.has(from)).map(([facet]) => facet);
      const condition = step.conditions.get(from);
      edges.push({ from: ids(from), to: id, facets, ...(condition === undefined ? {} : { condition }) });
    }
    return nodeOf(step, id);
  });
  return {
    draft: {
      nodes,
      edges,
      ...(branchRequests.length > 0 ? { branchRequests: branchRequests.map((branch) => ({ ...branch })) } : {}),
      metadata: { runtime: 'deterministic' },
    },
    selections,
  };
}

function nodeOf(step: Step, id: string): DraftNode {
  const who =
    step.capability === undefined
      ? {}
      : step.derived === undefined
        ? { capabilityId: step.capability.capabilityId }
        : { derivedFrom: step.capability.capabilityId, coverage: step.derived.coverage };
  return {
    id,
    kind: step.kind,
    ...who,
    label: step.label,
    inputFacets: [...step.reads.keys()],
    outputFacets: step.writes,
    ...(step.instruction === undefined ? {} : { instruction: step.instruction }),
    rationale: step.rationale.slice(0, 50).map((reason) => reason.slice(0, 2000)),
    ...(step.mapping === undefined ? {} : { mapping: step.mapping }),
    ...(step.branchId === undefined ? {} : { branchId: step.branchId }),
    ...(step.inputs === undefined ? {} : { inputs: step.inputs }),
    ...(step.fallback.length === 0 ? {} : { fallback: step.fallback }),
  };
}

/** Every step after all that it waits for; otherwise in the order in which they were added. */
function inOrder(graph: StepGraph): Step[] {
  const done = new Set<string>();
  const result: Step[] = [];
  const visit = (step: Step): void => {
    if (done.has(step.id)) return;
    done.add(step.id);
    for (const id of graph.before(step)) if (graph.steps.has(id)) visit(graph.get(id));
    if (step.standing !== true) result.push(step);
  };
  for (const step of graph.steps.values()) visit(step);
  return result;
}

/** Ids as they are, but for those that are too long: these end in a checksum of the whole. */
function shortIds(graph: StepGraph): (id: string) => string {
  const short = new Map<string, string>();
  for (const id of graph.steps.keys())
    if (id.length > LONGEST_ID) short.set(id, `${id.slice(0, LONGEST_ID - 14)}:${checksum(id)}`);
  return (id) => short.get(id) ?? id;
}

/** FNV-1a over 52 bits, as text. */
function checksum(text: string): string {
  let hash = 0xcbf29ce484222325n;
  for (let at = 0; at < text.length; at += 1)
    hash = ((hash ^ BigInt(text.charCodeAt(at))) * 0x100000001b3n) & 0xfffffffffffffn;
  return hash.toString(16).padStart(13, '0');
}
