import type { Facet, PlannerDraft, RegisteredCapability, RegistrySnapshot } from '@flex/contracts';
import { diffPlans } from '../delta/diff-plans.js';
import { mergeDelta } from '../delta/merge-delta.js';
import { node, origin, question } from './seed-world.spec.js';
import { validateDelta } from './validate-delta.js';
import { validateDraft } from './validate-draft.js';

const SIZE = 10_000;

/** Pseudo-random and the same each time. */
function random(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

const facetNames = Array.from({ length: SIZE }, (_, index) => `f${index}`);
const facets: Facet[] = [...facetNames, 'token'].map((name) => ({
  name,
  direction: 'bidirectional',
  schema: { type: 'array' },
}));
const capability = (capabilityId: string, inputs: string[], outputFacets: string[]): RegisteredCapability => ({
  capabilityId,
  version: '1',
  displayName: capabilityId,
  kind: 'execution',
  agentType: 'ai',
  inputFacets: inputs.map((facet) => ({ facet, required: false })),
  outputFacets,
  status: 'active',
});
const capabilities = [
  capability('any', [...facetNames.slice(0, 50), 'token'], ['token', ...facetNames.slice(0, 50)]),
  capability('wide', facetNames, facetNames),
];
const snapshot: RegistrySnapshot = {
  revision: 1,
  facets: new Map(facets.map((facet) => [facet.name, facet])),
  capabilities: new Map(capabilities.map((each) => [each.capabilityId, each])),
};
const asked = (facet: string) => ({
  ...question({ outputContract: { mode: 'facets', facets: [facet] }, inputs: { token: [] } }),
  snapshot,
});
const step = (id: number, reads: string[], writes: string[], capabilityId = 'any') =>
  node(`n${id}`, 'execution', reads, writes, { capabilityId });
const each = <T>(make: (index: number) => T): T[] => Array.from({ length: SIZE }, (_, index) => make(index));

const shapes: Record<string, () => PlannerDraft> = {
  'a chain that its facet implies': () => ({ nodes: each((index) => step(index, index === 0 ? [] : ['f0'], ['f0'])) }),
  'a chain of edges, every node reading what the first wrote': () => ({
    nodes: each((index) =>
      step(index, index === 0 ? [] : ['f1', 'token'], index === 0 ? ['f1', 'token', 'f0'] : ['token', 'f0']),
    ),
    edges: each((index) => ({ from: `n${Math.max(0, index - 1)}`, to: `n${index}` })).slice(1),
  }),
  'one node into all others into one': () => ({
    nodes: each((index) =>
      step(index, index === 0 ? [] : ['token'], index === 0 || index === SIZE - 1 ? ['token', 'f0'] : ['token']),
    ),
    edges: each((index) => [
      { from: 'n0', to: `n${index}` },
      { from: `n${index}`, to: `n${SIZE - 1}` },
    ])
      .slice(1, -1)
      .flat(),
  }),
  'layers of a hundred with random edges': () => {
    const next = random(7);
    return {
      nodes: each((index) => step(index, index < 100 ? [] : ['token'], ['token', 'f0'])),
      edges: each((index) =>
        index < 100
          ? []
          : [1, 2, 3].map(() => ({ from: `n${index - (index % 100) - 100 + next(100)}`, to: `n${index}` })),
      ).flat(),
    };
  },
  'a facet for each node, read by random later ones': () => {
    const next = random(11);
    return {
      nodes: each((index) =>
        step(
          index,
          index === 0 ? [] : [`f${next(index)}`, `f${next(index)}`],
          index === 0 ? ['f0'] : [`f${index}`],
          'wide',
        ),
      ),
      edges: each((index) => ({ from: `n${Math.max(0, index - 1 - next(3))}`, to: `n${index}` })).slice(1),
    };
  },
};

describe('a draft of 10,000 nodes', () => {
  it.each(Object.keys(shapes))('is judged and compiled in seconds: %s', (shape) => {
    const draft = shapes[shape]!();
    const start = process.cpuUsage();
    const { plan, diagnostics } = validateDraft(asked('f0'), draft, origin);
    const took = process.cpuUsage(start).user / 1000;
    expect(diagnostics.filter(({ severity }) => severity !== 'info')).toEqual([]);
    expect(plan!.nodes).toHaveLength(SIZE);
    // Time of the processor, so that other tests don't count; a second or less where nothing measures coverage.
    expect(took).toBeLessThan(8_000);
  });

  it('shares one schema among nodes that read and write the same', () => {
    const { plan } = validateDraft(asked('f0'), shapes['layers of a hundred with random edges']!(), origin);
    expect(new Set(plan!.nodes.map((each) => each.outputSchema)).size).toBe(1);
    expect(new Set(plan!.nodes.map((each) => each.inputSchema)).size).toBe(2);
  });

  it('takes a change of one node without making the others anew', () => {
    const { plan } = validateDraft(asked('f0'), shapes['layers of a hundred with random edges']!(), origin);
    const completed = new Set(plan!.nodes.slice(0, 5000).map(({ id }) => id));
    const { delta } = validateDelta(
      asked('f0'),
      plan!,
      { completed, running: new Set() },
      {
        baseVersion: 1,
        operations: [{ op: 'replaceNode', node: { ...step(9000, ['token'], ['token', 'f0']), label: 'new' } }],
      },
      origin,
    );
    const merged = mergeDelta(plan!, delta!, { cause: { kind: 'operator' } });
    expect(delta!.replaceNodes.map(({ id }) => id)).toEqual(['n9000']);
    expect(merged.nodes.filter((each, index) => each === plan!.nodes[index])).toHaveLength(SIZE - 1);
    expect(diffPlans(plan!, merged)).toEqual({
      added: [],
      removed: [],
      changed: ['n9000'],
      edgesAdded: [],
      edgesRemoved: [],
    });
  });
});
