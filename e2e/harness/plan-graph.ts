import type { PlanGraph, PlanNode } from '@flex/contracts';

/**
 * A plan as a reviewer reads it: who does what of which facets, what the compiled schemas ask for, and where each facet
 * comes from. Ids of runs, revisions and scores are left out, so that the same plan always reads the same.
 */
export const graphOf = (plan: PlanGraph): string[] => [
  ...plan.nodes.flatMap(nodeLines),
  ...plan.edges.map(
    ({ from, to, facets, condition }) =>
      `${from} -> ${to} [${facets.join(', ')}]${condition === undefined ? '' : ` if ${JSON.stringify(condition)}`}`,
  ),
];

function nodeLines(node: PlanNode): string[] {
  const { kind, id, capabilityId, derivedFrom, coverage, branchId, fallback } = node;
  const who = capabilityId ?? (derivedFrom && `like ${derivedFrom} (${coverage})`);
  const [branch, next] = [branchId && ` in ${branchId}`, fallback.length > 0 && ` | then ${fallback.join(', ')}`];
  const sources = node.provenance.map(({ facet, nodeId }) => `${facet} from ${nodeId ?? 'envelope'}`);
  return [
    `${kind} ${id}${who ? ` = ${who}` : ''}${branch || ''}${next || ''}`,
    `  in  ${membersOf(node.inputSchema)}`,
    `  out ${membersOf(node.outputSchema)}`,
    ...(sources.length > 0 ? [`  by  ${sources.join(', ')}`] : []),
  ];
}

/** Members of a compiled schema with their types, `?` for those that may be missing. */
function membersOf(schema: PlanNode['inputSchema']): string {
  if (typeof schema === 'boolean') return String(schema);
  const required = (schema['required'] ?? []) as string[];
  const properties = (schema['properties'] ?? {}) as Record<string, { type?: string | string[]; enum?: unknown[] }>;
  return Object.entries(properties)
    .map(([name, { type, enum: words }]) => {
      const form = words ? words.join('|') : [type ?? 'any'].flat().join('|');
      return `${name}${required.includes(name) ? '' : '?'}: ${form}`;
    })
    .join(', ');
}
