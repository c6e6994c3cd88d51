import type { PlannerDraft } from '@flex/contracts';
import { PlannerDraft as PlannerDraftSchema, issuesOf } from '@flex/contracts';
import { nearestName } from '../naming/nearest-name.js';
import type { Findings } from './findings.js';
import type { FlowQuestion } from './flow.js';

/** Whether a draft has the shape of a draft at all; what is not of the right shape is not looked at further. */
export function checkShape(draft: PlannerDraft, findings: Findings): boolean {
  const issues = issuesOf(PlannerDraftSchema, draft);
  for (const { pointer, message } of issues)
    findings.error('DRAFT_MALFORMED', `The draft ${pointer === '' ? '' : `at ${pointer} `}${message}`, { pointer });
  return issues.length === 0;
}

/** Node numbers by id; the second node of an id is a fault. */
export function numberNodes(draft: PlannerDraft, findings: Findings): Map<string, number> {
  const numbers = new Map<string, number>();
  draft.nodes.forEach((node, number) => {
    if (!numbers.has(node.id)) numbers.set(node.id, number);
    else
      findings.error('DUPLICATE_NODE', `Two nodes have the id ${node.id}`, {
        nodeId: node.id,
        pointer: `/nodes/${number}/id`,
        suggestion: 'Give every node an id of its own',
      });
  });
  if (draft.nodes.length === 0) findings.error('DRAFT_MALFORMED', 'The draft has no nodes', { pointer: '/nodes' });
  return numbers;
}

/** The draft's edges as numbers; edges and routes into nowhere are faults. */
export function connectNodes(
  draft: PlannerDraft,
  numbers: ReadonlyMap<string, number>,
  findings: Findings,
): FlowQuestion['edges'][number][] {
  const edges: FlowQuestion['edges'][number][] = [];
  (draft.edges ?? []).forEach((edge, index) => {
    const [from, to] = [numbers.get(edge.from), numbers.get(edge.to)];
    for (const end of ['from', 'to'] as const) {
      if (numbers.has(edge[end])) continue;
      findings.error('DANGLING_EDGE', `The edge ${edge.from} -> ${edge.to} ends at ${edge[end]}, which is no node`, {
        nodeId: edge[end],
        pointer: `/edges/${index}/${end}`,
        suggestion: didYouMean(edge[end], numbers.keys()),
      });
    }
    if (from === undefined || to === undefined) return;
    if (from === to) cycleFound([edge.from], findings);
    else edges.push({ from, to, condition: edge.condition });
  });
  draft.nodes.forEach((node, number) => {
    node.routes?.forEach((route, index) => {
      if (numbers.has(route.to) && route.to !== node.id) return;
      if (route.to === node.id) cycleFound([node.id], findings);
      else
        findings.error('DANGLING_EDGE', `A route of ${node.id} leads to ${route.to}, which is no node`, {
          nodeId: node.id,
          pointer: `/nodes/${number}/routes/${index}/to`,
          suggestion: didYouMean(route.to, numbers.keys()),
        });
    });
    if (node.kind === 'routing' && (node.routes ?? []).length === 0 && node.capabilityId === undefined) {
      findings.error('DRAFT_MALFORMED', `The routing node ${node.id} has no routes`, {
        nodeId: node.id,
        pointer: `/nodes/${number}/routes`,
        suggestion: 'Give it routes: [{to, condition}], the last one without a condition as default',
      });
    }
  });
  return edges;
}

export function cycleFound(ids: readonly string[], findings: Findings): void {
  findings.error('CYCLE', `The nodes wait for each other: ${[...ids, ids[0]!].join(' -> ')}`, {
    nodeId: ids[0]!,
    suggestion: 'Remove one of these edges, or let a later node write a facet of another name',
  });
}

const didYouMean = (wrong: string, names: Iterable<string>): string | undefined => {
  const meant = nearestName(wrong, names);
  return meant === undefined ? undefined : `Did you mean ${meant}?`;
};
