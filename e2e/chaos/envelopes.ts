import type { TaskEnvelope } from '@flex/contracts';
import { randomEdges, whenNode } from '@flex/orchestrator/ingredients';
import type { Random } from '@flex/orchestrator/random';

type Policies = NonNullable<NonNullable<TaskEnvelope['policies']>['runtime']>;

const policies: Policies = [
  whenNode('note', 'facets.chaosCount > 50', { type: 'emit', event: 'high' }, 2),
  whenNode('ask', 'facets.chaosCount > 90', { type: 'hitl' }),
  whenNode('again', 'facets.chaosCount < 5', { type: 'replan' }),
  { id: 'begin', trigger: { kind: 'onStart' }, action: { type: 'emit', event: 'began' } },
  { id: 'bad', trigger: { kind: 'onValidationFail' }, action: { type: 'emit', event: 'invalid' }, maxTriggers: 2 },
];

/** Objective of runs that wait for a person until all faults are over, and what the person is asked. */
export const WAITS = 'Wait for the end';

/** A run in whose middle somebody is asked. */
export function waitingEnvelope(): TaskEnvelope {
  return {
    objective: WAITS,
    outputContract: { mode: 'facets', facets: ['chaosCount'] },
    policies: {
      runtime: [
        {
          id: 'wait',
          trigger: { kind: 'onNodeComplete', selector: { capabilityId: 'chaos.frail' } },
          action: { type: 'hitl', rationale: WAITS },
          maxTriggers: 1,
        },
      ],
    },
    plan: {
      nodes: [step('n0', 'chaos.frail'), step('n1', 'chaos.count')],
      edges: [{ from: 'n0', to: 'n1', facets: [] }],
    },
    metadata: { labels: { suite: 'chaos' } },
  };
}

/** A mixed envelope: a graph of its own or the planner's plan, policies, people, retries and fallbacks. */
export function chaosEnvelope(random: Random): TaskEnvelope {
  const base: TaskEnvelope = {
    objective: 'Keep every promise',
    outputContract: { mode: 'facets', facets: ['chaosCount'] },
    metadata: { labels: { suite: 'chaos' } },
  };
  // Its workers go on from step to step by themselves.
  if (random.chance(0.3)) return { ...base, plan: chain(random) };
  const runtime = policies.filter(() => random.chance(0.3));
  return {
    ...base,
    ...(runtime.length > 0 ? { policies: { runtime } } : {}),
    ...(random.chance(0.1) ? { review: true } : {}),
    ...(random.chance(0.75) ? { plan: graph(random) } : {}),
  };
}

const steps = (random: Random, count: number) =>
  Array.from({ length: count }, (_, i) => step(`n${i}`, random.chance(0.3) ? 'chaos.frail' : 'chaos.count'));

function graph(random: Random): NonNullable<TaskEnvelope['plan']> {
  const count = 2 + random.below(7);
  const edges = randomEdges(random, count, 0.35).map((edge) => ({ ...edge, facets: [] }));
  return { nodes: steps(random, count), edges };
}

function chain(random: Random): NonNullable<TaskEnvelope['plan']> {
  const nodes = steps(random, 6 + random.below(10));
  return { nodes, edges: nodes.slice(1).map(({ id }, i) => ({ from: `n${i}`, to: id, facets: [] })) };
}

const step = (id: string, capabilityId: string) => ({
  id,
  kind: 'execution' as const,
  capabilityId,
  label: id,
  inputFacets: [],
  outputFacets: ['chaosCount'],
  fallback: ['chaos.count'],
});
