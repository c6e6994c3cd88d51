import type { RuntimePolicy } from '@flex/contracts';
import type { Random } from './random.js';

/** What simulated runs and those of the chaos suite are made of. */

/** Fires for completed nodes that a condition holds for, once unless said otherwise. */
export const whenNode = (
  id: string,
  condition: string,
  action: RuntimePolicy['action'],
  maxTriggers = 1,
): RuntimePolicy => ({
  id,
  trigger: { kind: 'onNodeComplete', condition },
  action,
  maxTriggers,
});

/** An agent that needs nothing. */
export const plainAgent = (capabilityId: string, outputFacets: string[]) => ({
  capabilityId,
  version: '1',
  displayName: capabilityId,
  kind: 'execution' as const,
  agentType: 'ai' as const,
  inputFacets: [],
  outputFacets,
});

/** Edges of a random graph without cycles over `n0`, `n1` …: each pair is joined with this likelihood. */
export function randomEdges(random: Random, count: number, likelihood: number): { from: string; to: string }[] {
  const edges = [];
  for (let to = 1; to < count; to++)
    for (let from = 0; from < to; from++) if (random.chance(likelihood)) edges.push({ from: `n${from}`, to: `n${to}` });
  return edges;
}
