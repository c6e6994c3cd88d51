import { nearestName, nearestNames } from './nearest-name.js';

describe('the nearest name', () => {
  it.each([
    ['variantcount', ['variantCount', 'maxDepth'], 'variantCount'],
    ['qa-findings', ['qaFindings'], 'qaFindings'],
    ['maxTrigger', ['trigger', 'maxTriggers'], 'maxTriggers'],
    ['raplen', ['replan', 'pause'], 'replan'],
    ['wirter.linkedin', ['writer.linkedin', 'writer.blog'], 'writer.linkedin'],
    ['copywriter', ['writer', 'agent.copywriter'], 'agent.copywriter'],
    ['completely', ['different'], undefined],
    ['', ['a'], 'a'],
  ])('of %s among %j is %s', (wrong, names, meant) => {
    expect(nearestName(wrong, names)).toBe(meant);
  });

  it('gives several, the closest first', () => {
    expect(nearestNames('writer.x', ['writer.xyz', 'writer.a', 'writer.xy'], 2)).toEqual(['writer.a', 'writer.xy']);
  });
});
