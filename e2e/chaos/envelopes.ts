import type { TaskEnvelope } from '@flex/contracts';
import type { Random } from './random.js';

type Policies = NonNullable<NonNullable<TaskEnvelope['policies']>['runtime']>;

const policies: Policies = [
  {
    id: 'note',
    trigger: { kind: 'onNodeComplete', condition: 'facets.chaosCount > 50' },
    action: { type: 'emit', event: 'high' },
    maxTriggers: 2,
  },
  {
    id: 'ask',
    trigger: { kind: 'onNodeComplete', condition: 'facets.chaosCount > 90' },
    action: { type: 'hitl' },
    maxTriggers: 1,
  },
  {
    id: 'again',
    trigger: { kind: 'onNodeComplete', condition: 'facets.chaosCount < 5' },
    action: { type: 'replan' },
    maxTriggers: 1,
  },
  { id: 'begin', trigger: { kind: 'onStart' }, action: { type: 'emit', event: 'began' } },
  { id: 'bad', trigger: { kind: 'onValidationFail' }, action: { type: 'emit', event: 'invalid' }, maxTriggers: 2 },
];

/** A mixed envelope: a graph of its own or the planner's plan, policies, people, retries and fallbacks. */
export function chaosEnvelope(random: Random): TaskEnvelope {
  const runtime = policies.filter(() => random.chance(0.3));
  return {
    objective: 'Keep every promise',
    outputContract: { mode: 'facets', facets: ['chaosCount'] },
    ...(runtime.length > 0 ? { policies: { runtime } } : {}),
    ...(random.chance(0.1) ? { review: true } : {}),
    ...(random.chance(0.75) ? { plan: graph(random) } : {}),
    metadata: { labels: { suite: 'chaos' } },
  };
}

function graph(random: Random): NonNullable<TaskEnvelope['plan']> {
  const count = 2 + random.below(7);
  const nodes = Array.from({ length: count }, (_, i) => ({
    id: `n${i}`,
    kind: 'execution' as const,
    capabilityId: random.chance(0.3) ? 'chaos.frail' : 'chaos.count',
    label: `n${i}`,
    inputFacets: [],
    outputFacets: ['chaosCount'],
    fallback: ['chaos.count'],
  }));
  const edges = [];
  for (let to = 1; to < count; to++)
    for (let from = 0; from < to; from++)
      if (random.chance(0.35)) edges.push({ from: `n${from}`, to: `n${to}`, facets: [] });
  return { nodes, edges };
}
