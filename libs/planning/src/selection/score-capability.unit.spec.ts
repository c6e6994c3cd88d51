import { noPolicies, type NormalizedPolicies, type RegisteredCapability } from '@flex/contracts';
import { costRange, scoreCapability, type Score } from './score-capability.js';
import { defaultSelection, type Objective, type SelectionSettings } from './selection-settings.js';
import { wantedTraits } from './wanted-traits.js';

const capability = (capabilityId: string, more: Partial<RegisteredCapability> = {}): RegisteredCapability => ({
  capabilityId,
  version: '1',
  displayName: capabilityId,
  kind: 'execution',
  agentType: 'ai',
  inputFacets: [{ facet: 'brief' }, { facet: 'extra', required: false }],
  outputFacets: ['copy'],
  status: 'active',
  ...more,
});
const withPlanner = (planner: Partial<NormalizedPolicies['planner']>): NormalizedPolicies => ({
  ...noPolicies(),
  planner: { ...noPolicies().planner, ...planner },
});

function scores(
  all: readonly RegisteredCapability[],
  task: { objective?: string; constraints?: Record<string, string>; inputs?: Record<string, never> } = {},
  policies = noPolicies(),
  settings: SelectionSettings = defaultSelection,
): Score[] {
  const envelope = { objective: 'Write', outputContract: { mode: 'facets' as const, facets: ['copy'] }, ...task };
  const wanted = wantedTraits(envelope, policies, all);
  const range = costRange(all);
  const question = {
    wanted,
    policies,
    settings,
    range,
    isUseful: (facet: string) => facet === 'copy',
    isAvailable: () => true,
  };
  return all.map((one) => scoreCapability(one, question));
}

describe('The selection score', () => {
  it('is the weighted mean of its breakdown', () => {
    const [one] = scores([capability('a', { traits: { channels: ['blog'] }, health: 0.5 })], {
      objective: 'A blog post',
    });
    const { weights } = defaultSelection;
    const total = Object.values(weights).reduce((sum, weight) => sum + weight, 0);
    const mean =
      Object.entries(one!.breakdown).reduce(
        (sum, [key, value]) => sum + value * weights[key as keyof typeof weights],
        0,
      ) / total;
    expect(one!.score).toBeCloseTo(mean, 3);
  });

  it.each([
    ['language', { languages: ['de'] }, { languages: ['fr'] }, { constraints: { language: 'de-AT' } }],
    ['channel', { channels: ['linkedin'] }, { channels: ['email'] }, { objective: 'A post for LinkedIn' }],
    [
      'contentType',
      { contentTypes: ['blog_post'] },
      { contentTypes: ['letter'] },
      { constraints: { contentType: 'Blog Post' } },
    ],
    ['strengths', { strengths: ['warm humour'] }, { limitations: ['humour'] }, { objective: 'Something with humour' }],
  ] as const)(
    '%s: what is made for it beats what says nothing, which beats what is not',
    (criterion, made, against, task) => {
      const [good, silent, bad] = scores([capability('a', { traits: made as never }), capability('b'), capability('c', { traits: against as never })], task as never); // prettier-ignore
      expect(good!.breakdown[criterion]).toBeGreaterThan(silent!.breakdown[criterion]);
      expect(silent!.breakdown[criterion]).toBeGreaterThan(bad!.breakdown[criterion]);
      expect(good!.score).toBeGreaterThan(bad!.score);
    },
  );

  it('reads what is wanted from a brief among the inputs', () => {
    const all = [
      capability('a', { traits: { channels: ['email'] } }),
      capability('b', { traits: { channels: ['blog'] } }),
    ];
    const [email, blog] = scores(all, { inputs: { brief: { channel: 'email' } } as never });
    expect([email!.breakdown.channel, blog!.breakdown.channel]).toEqual([1, 0]);
  });

  it('facet alignment counts what of the output is of use', () => {
    const [exact, wide] = scores([capability('a'), capability('b', { outputFacets: ['copy', 'noise', 'more'] })]);
    expect(exact!.breakdown.facetAlignment).toBeGreaterThan(wide!.breakdown.facetAlignment);
  });

  it.each<[Objective, string]>([
    ['speed', 'fast'],
    ['token_efficiency', 'frugal'],
    ['quality', 'fine'],
  ])('the objective %s puts %s first', (objective, first) => {
    const all = [
      capability('fast', { cost: { estimatedMs: 10, estimatedTokens: 900, tier: 'standard' } }),
      capability('frugal', { cost: { estimatedMs: 900, estimatedTokens: 10, tier: 'standard' } }),
      capability('fine', {
        cost: { estimatedMs: 900, estimatedTokens: 900, tier: 'premium' },
        traits: { strengths: ['care', 'style'] },
      }),
    ];
    const judged = scores(all, {}, withPlanner({ optimisation: { objective } }));
    const best = judged.reduce((top, one, at) => (one.score > judged[top]!.score ? at : top), 0);
    expect(all[best]!.capabilityId).toBe(first);
  });

  it('what does not fit the cost envelope scores nothing there', () => {
    const [dear] = scores(
      [capability('a', { cost: { estimatedTokens: 100 } })],
      {},
      withPlanner({ optimisation: { maxTokens: 99 } }),
    );
    expect(dear!.breakdown.cost).toBe(0);
  });

  it('preference and weights are configuration', () => {
    const policies = withPlanner({ selection: { require: [], forbid: [], prefer: ['b'], avoid: ['a'] } });
    const [avoided, preferred] = scores([capability('a'), capability('b')], {}, policies);
    expect(preferred!.score).toBeGreaterThan(avoided!.score);
    const onlyHealth = Object.fromEntries(
      Object.keys(defaultSelection.weights).map((key) => [key, key === 'health' ? 1 : 0]),
    ) as never;
    const [ill] = scores([capability('a', { health: 0.25 })], {}, noPolicies(), {
      ...defaultSelection,
      weights: onlyHealth,
    });
    expect(ill!.score).toBe(0.25);
  });
});
