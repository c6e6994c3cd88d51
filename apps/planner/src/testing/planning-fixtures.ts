import {
  noPolicies,
  type EventData,
  type Facet,
  type JsonSchema,
  type RegisteredCapability,
  type RegistrySnapshot,
} from '@flex/contracts';

const facet = (name: string, direction: Facet['direction'], schema: JsonSchema, rest: Partial<Facet> = {}): Facet => ({
  name,
  direction,
  schema,
  title: name,
  ...rest,
});

const variant = {
  type: 'object',
  properties: { headline: { type: 'string' }, body: { type: 'string' }, callToAction: { type: 'string' } },
  required: ['headline', 'body', 'callToAction'],
};

/** The catalogue that planner tests share: a strategist, a writer and a reviewer. */
export const facets: Facet[] = [
  facet('objectiveBrief', 'input', { type: 'object' }, { semantics: 'What the client wants to reach' }),
  facet('audienceProfile', 'input', { type: 'object' }),
  facet('toneOfVoice', 'input', { type: 'string', enum: ['warm', 'formal', 'playful'] }),
  facet('writerBrief', 'bidirectional', { type: 'object' }),
  facet('planKnobs', 'bidirectional', { type: 'object' }),
  facet('strategicRationale', 'output', { type: 'string' }),
  facet('copyVariants', 'bidirectional', { type: 'array', items: variant }),
  facet('qaFindings', 'output', { type: 'object' }),
  facet('recommendationSet', 'output', { type: 'object' }),
];

export const capability = (
  capabilityId: string,
  kind: RegisteredCapability['kind'],
  inputs: string[],
  outputs: string[],
  rest: Partial<RegisteredCapability> = {},
): RegisteredCapability => ({
  capabilityId,
  version: '1.0.0',
  displayName: capabilityId,
  kind,
  agentType: 'ai',
  inputFacets: inputs.map((name) => ({ facet: name.replace('?', ''), required: !name.endsWith('?') })),
  outputFacets: outputs,
  status: 'active',
  ...rest,
});

export const capabilities: RegisteredCapability[] = [
  capability(
    'strategist.brief',
    'structuring',
    ['objectiveBrief', 'audienceProfile', 'toneOfVoice'],
    ['writerBrief', 'planKnobs', 'strategicRationale'],
    { summary: 'Turns an objective into a brief for writers' },
  ),
  capability(
    'writer.linkedin',
    'execution',
    ['writerBrief', 'planKnobs', 'toneOfVoice', 'audienceProfile'],
    ['copyVariants'],
    { summary: 'Writes LinkedIn variants', traits: { channels: ['linkedin'], languages: ['en'] } },
  ),
  capability('reviewer.quality', 'validation', ['copyVariants', 'writerBrief'], ['qaFindings', 'recommendationSet']),
];

export const snapshotOf = (list: RegisteredCapability[] = capabilities, revision = 12): RegistrySnapshot => ({
  revision,
  facets: new Map(facets.map((each) => [each.name, each])),
  capabilities: new Map(list.map((each) => [each.capabilityId, each])),
});

export const planRequest = (rest: Partial<EventData<'plan.requested'>> = {}): EventData<'plan.requested'> => ({
  requestId: 'plan-1',
  attempt: 1,
  phase: 'initial',
  tenant: 'default',
  objective: 'Write two LinkedIn posts about our new bicycle lights',
  inputs: {
    objectiveBrief: { goal: 'awareness' },
    audienceProfile: { role: 'commuters' },
    toneOfVoice: 'warm',
  },
  outputContract: { mode: 'facets', facets: ['copyVariants', 'qaFindings'] },
  policies: noPolicies(),
  dynamic: true,
  hybrid: true,
  registry: { revision: 12, capabilities: [], facets: [] },
  diagnostics: [],
  cause: { kind: 'initial' },
  correlationId: 'c-1',
  ...rest,
});
