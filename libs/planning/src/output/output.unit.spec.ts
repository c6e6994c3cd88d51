import { checkConstraints, composeOutput } from './compose-output.js';

describe('the answer', () => {
  it('is made of facets', () => {
    expect(
      composeOutput(
        { mode: 'facets', schema: true, mapping: { object: { assets: { from: '/assetBundle' } } } },
        { assetBundle: [1], other: 2 },
      ),
    ).toEqual({ assets: [1] });
    expect(composeOutput({ mode: 'json_schema', schema: true, mapping: { from: '/output' } }, {})).toBeUndefined();
  });

  it('is held against its constraints', () => {
    const constraints = [
      { constraintId: 'two', level: 'hard' as const, expr: 'length(output.variants) == 2' },
      { constraintId: 'members', level: 'soft' as const, expr: { '==': [{ length: { var: 'variants' } }, 2] } },
      { constraintId: 'quality', level: 'soft' as const, expr: 'facets.qaFindings.score > 0.9' },
      { constraintId: 'broken', level: 'informational' as const, expr: 'length(' },
    ];
    expect(checkConstraints(constraints, { variants: [1, 2] }, { qaFindings: { score: 0.5 } })).toEqual({
      results: [
        { constraintId: 'two', level: 'hard', holds: true },
        { constraintId: 'members', level: 'soft', holds: true },
        { constraintId: 'quality', level: 'soft', holds: false },
        { constraintId: 'broken', level: 'informational', holds: false },
      ],
      satisfaction: 0.5,
    });
    expect(checkConstraints(undefined, null, {})).toEqual({ results: [], satisfaction: 1 });
  });

  it('cannot pass itself off as facets', () => {
    const constraints = [{ constraintId: 'c', level: 'hard' as const, expr: 'facets.real == 1' }];
    expect(checkConstraints(constraints, { facets: { real: 1 } }, { real: 2 }).results[0]!.holds).toBe(false);
  });
});
