import { noPolicies, type Facet, type RegisteredCapability, type TaskEnvelope } from '@flex/contracts';
import { relevantCapabilities } from './relevant-capabilities.js';

const capability = (
  capabilityId: string,
  needs: string[],
  gives: string[],
  kind: RegisteredCapability['kind'] = 'execution',
): RegisteredCapability => ({
  capabilityId,
  version: '1',
  displayName: capabilityId,
  kind,
  agentType: 'ai',
  inputFacets: needs.map((facet) => ({ facet: facet.replace('?', ''), required: !facet.endsWith('?') })),
  outputFacets: gives,
  status: 'active',
});
const ask = (capabilities: RegisteredCapability[], envelope: Partial<TaskEnvelope> = {}) => {
  const names = new Set([
    'start',
    'end',
    ...capabilities.flatMap((one) => [...one.outputFacets, ...one.inputFacets.map((input) => input.facet)]),
  ]);
  const facets = new Map(
    [...names].map((name): [string, Facet] => [name, { name, schema: true, direction: 'bidirectional' }]),
  );
  return relevantCapabilities({
    runId: 'run',
    tenant: 'default',
    envelope: {
      objective: 'x',
      inputs: { start: 1 },
      outputContract: { mode: 'facets', facets: ['end'] },
      ...envelope,
    },
    policies: noPolicies(),
    snapshot: { revision: 1, facets, capabilities: new Map(capabilities.map((one) => [one.capabilityId, one])) },
  });
};

describe('Relevant capabilities', () => {
  it('can run, and are on a way to a goal; optional inputs are kept apart', () => {
    const found = ask([
      capability('a.first', ['start'], ['half']),
      capability('a.last', ['half', 'hint?'], ['end']),
      capability('a.hint', ['start'], ['hint']),
      capability('a.idle', ['start'], ['noise']),
      capability('a.stuck', ['never'], ['end']),
    ]);
    expect(found.capabilities.toSorted()).toEqual(['a.first', 'a.hint', 'a.last']);
    expect(found.because.find((one) => one.capabilityId === 'a.last')).toEqual({
      capabilityId: 'a.last',
      reason: 'path',
      gives: ['end'],
      requiredInputs: ['half'],
      optionalInputs: ['hint'],
    });
    expect(found.facets).toEqual(expect.arrayContaining(['start', 'half', 'hint', 'end']));
  });

  it('gives the reason: a goal condition, a check', () => {
    const found = ask(
      [
        capability('a.end', ['start'], ['end']),
        capability('a.score', ['start'], ['score']),
        capability('a.check', ['end'], ['verdict'], 'validation'),
      ],
      { goalConditions: [{ facet: 'score', condition: 'value > 1' }] },
    );
    expect(Object.fromEntries(found.because.map((one) => [one.capabilityId, one.reason]))).toEqual({
      'a.end': 'path',
      'a.score': 'goal_condition',
      'a.check': 'path',
    });
  });

  it('does not count a wanted facet as there, and names what is lacking', () => {
    const found = ask([capability('a.loop', ['end'], ['end']), capability('a.deep', ['key'], ['end'])]);
    expect(found).toMatchObject({ capabilities: [], unreachable: ['end'], lacking: ['key'] });
  });
});
