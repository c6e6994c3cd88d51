import {
  noPolicies,
  type Facet,
  type NormalizedPolicies,
  type RegisteredCapability,
  type RegistrySnapshot,
  type TaskEnvelope,
} from '@flex/contracts';
import { normalizePolicies } from '@flex/planning';
import { plainAgent, randomEdges, whenNode } from './ingredients.js';
import type { Random } from './random.js';

const text: Facet = { name: 'text', schema: { type: 'string', maxLength: 100 }, direction: 'bidirectional' };
const score: Facet = { name: 'score', schema: { type: 'number', minimum: 0, maximum: 1 }, direction: 'bidirectional' };

const capability = (capabilityId: string, more: Partial<RegisteredCapability> = {}): RegisteredCapability => ({
  ...plainAgent(capabilityId, ['text', 'score']),
  status: 'active',
  retry: { maxAttempts: 3, backoffMs: 100, factor: 2 },
  timeoutMs: 10_000,
  ...more,
});

export const registry: RegistrySnapshot = {
  revision: 1,
  facets: new Map([text, score].map((facet) => [facet.name, facet])),
  capabilities: new Map(
    [
      capability('sim.one'),
      capability('sim.two'),
      capability('sim.check', { kind: 'validation' }),
      capability('sim.person', { agentType: 'human', assignment: { slaSeconds: 60, onDecline: 'requeue' } }),
    ].map((one) => [one.capabilityId, one]),
  ),
};

type Policies = NonNullable<TaskEnvelope['policies']>;

const runtimePolicies: NonNullable<Policies['runtime']> = [
  whenNode('low', 'facets.score < 0.3', { type: 'replan' }),
  whenNode('ask', 'facets.score > 0.8', { type: 'hitl' }),
  { id: 'note', trigger: { kind: 'onStart' }, action: { type: 'emit', event: 'began' } },
  whenNode('back', 'facets.score > 0.5 && facets.score < 0.6', { type: 'goto', next: 'n0' }),
  { id: 'bad', trigger: { kind: 'onValidationFail' }, action: { type: 'pause' }, maxTriggers: 1 },
  { id: 'slow', trigger: { kind: 'onTimeout', ms: 5_000 }, action: { type: 'emit', event: 'slow' }, maxTriggers: 1 },
];

/** A mixed envelope with a plan of its own or left to the planner: a random graph, random policies, sometimes a review. */
export function randomEnvelope(random: Random): TaskEnvelope {
  const runtime = runtimePolicies.filter(() => random.chance(0.3));
  const own = random.chance(0.7);
  return {
    objective: 'simulate',
    outputContract: { mode: 'facets', facets: ['text'] },
    ...(runtime.length > 0 ? { policies: { runtime, budget: { maxReplans: 2 } } } : {}),
    ...(random.chance(0.15) ? { review: true } : {}),
    ...(own ? { plan: randomDraft(random) } : {}),
  };
}

export function randomDraft(random: Random): NonNullable<TaskEnvelope['plan']> {
  const count = 1 + random.below(6);
  const nodes = Array.from({ length: count }, (_, i) => ({
    id: `n${i}`,
    kind: 'execution' as const,
    capabilityId: random.chance(0.1) ? 'sim.person' : random.pick(['sim.one', 'sim.two']),
    label: `n${i}`,
    inputFacets: [],
    outputFacets: ['text', 'score'],
    ...(random.chance(0.3) ? { fallback: ['sim.two'] } : {}),
  }));
  if (random.chance(0.7)) return { nodes, edges: randomEdges(random, count, 0.4) };
  // A chain, often of one capability: its workers may go on from step to step by themselves.
  if (random.chance(0.5)) for (const node of nodes) node.capabilityId = nodes[0]!.capabilityId;
  return { nodes, edges: nodes.slice(1).map(({ id }, i) => ({ from: `n${i}`, to: id })) };
}

export function normalized(envelope: TaskEnvelope): NormalizedPolicies {
  const { policies } = normalizePolicies(envelope.policies);
  return policies ?? noPolicies();
}
