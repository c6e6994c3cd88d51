import {
  noPolicies,
  type Facet,
  type PlannerDraft,
  type RegisteredCapability,
  type RegistrySnapshot,
  type TaskEnvelope,
} from '@flex/contracts';
import { normalizePolicies } from '../policies/normalize-policies.js';
import type { PlanningQuestion, PlanOrigin } from './planning-question.js';

/** The catalogue and capabilities that the examples use, for tests of the planning core. */
const text = { type: 'string' } as const;
export const variant = {
  type: 'object',
  properties: { id: text, headline: text, body: text, callToAction: text },
  required: ['headline', 'body'],
};

const facet = (
  name: string,
  direction: Facet['direction'],
  schema: Facet['schema'],
  more: Partial<Facet> = {},
): Facet => ({ name, direction, schema, ...more });

export const facets: Facet[] = [
  facet('objectiveBrief', 'input', { type: 'object' }, { title: 'Objective' }),
  facet('audienceProfile', 'input', { type: 'object' }),
  facet(
    'toneOfVoice',
    'input',
    { type: 'string', enum: ['warm', 'formal', 'playful'] },
    { semantics: 'Keep this tone throughout.' },
  ),
  facet('assetBundle', 'input', { type: 'array' }, { propertyKey: 'assets', requiredByDefault: false }),
  facet('writerBrief', 'bidirectional', { type: 'object' }),
  facet('campaignBrief', 'bidirectional', { type: 'object', required: ['campaign'] }, { extends: 'writerBrief' }),
  facet('planKnobs', 'bidirectional', {
    type: 'object',
    properties: { variantCount: { type: 'integer', minimum: 1, maximum: 5 } },
  }),
  facet('strategicRationale', 'output', { type: 'object' }),
  facet('copyVariants', 'bidirectional', { type: 'array', items: variant }),
  facet('qaRubric', 'input', { type: 'object' }),
  facet('qaFindings', 'output', {
    type: 'object',
    properties: { overallStatus: { enum: ['pass', 'warn', 'fail'] }, scores: { type: 'object' } },
    required: ['overallStatus'],
  }),
  facet('recommendationSet', 'output', { type: 'array' }),
];

const capability = (
  capabilityId: string,
  kind: RegisteredCapability['kind'],
  inputs: string[],
  outputFacets: string[],
  more: Partial<RegisteredCapability> = {},
): RegisteredCapability => ({
  capabilityId,
  version: '1',
  displayName: capabilityId,
  kind,
  agentType: 'ai',
  inputFacets: inputs.map((name) => ({ facet: name.replace('?', ''), required: !name.endsWith('?') })),
  outputFacets,
  status: 'active',
  ...more,
});

export const capabilities: RegisteredCapability[] = [
  capability(
    'strategist.brief',
    'structuring',
    ['objectiveBrief', 'audienceProfile', 'toneOfVoice', 'assetBundle?'],
    ['writerBrief', 'planKnobs', 'strategicRationale'],
    {
      cost: { estimatedTokens: 1000, pricePer1kTokens: 0.01, estimatedMs: 200 },
      instructions: 'You are a strategist.',
    },
  ),
  capability(
    'writer.linkedin',
    'execution',
    ['writerBrief', 'planKnobs', 'toneOfVoice', 'audienceProfile'],
    ['copyVariants'],
    {
      cost: { estimatedTokens: 3000, pricePer1kTokens: 0.02, estimatedMs: 500 },
    },
  ),
  capability('writer.cheap', 'execution', ['writerBrief'], ['copyVariants']),
  capability(
    'reviewer.quality',
    'validation',
    ['copyVariants', 'writerBrief', 'qaRubric?'],
    ['qaFindings', 'recommendationSet'],
  ),
  capability('campaigner.brief', 'structuring', ['objectiveBrief'], ['campaignBrief']),
  capability('editor.human', 'execution', ['copyVariants'], ['copyVariants'], {
    agentType: 'human',
    assignment: { role: 'editor', slaSeconds: 3600 },
  }),
  capability('sleeper.writer', 'execution', ['writerBrief'], ['copyVariants'], {
    status: 'inactive',
    inactiveReason: 'heartbeats stopped',
  }),
];

export const snapshot: RegistrySnapshot = {
  revision: 42,
  facets: new Map(facets.map((each) => [each.name, each])),
  capabilities: new Map(capabilities.map((each) => [each.capabilityId, each])),
};

export const variantsContract: TaskEnvelope['outputContract'] = {
  mode: 'json_schema',
  schema: {
    type: 'object',
    required: ['variants'],
    properties: {
      variants: {
        type: 'array',
        minItems: 2,
        maxItems: 2,
        items: {
          type: 'object',
          additionalProperties: false,
          required: ['headline', 'body', 'callToAction'],
          properties: { headline: text, body: text, callToAction: text },
        },
      },
    },
  },
};

export const envelope = (more: Partial<TaskEnvelope> = {}): TaskEnvelope => ({
  objective: 'Two LinkedIn posts about the new library',
  inputs: { objectiveBrief: { goal: 'awareness' }, audienceProfile: { role: 'developer' }, toneOfVoice: 'warm' },
  outputContract: variantsContract,
  ...more,
});

export const question = (more: Partial<TaskEnvelope> = {}, world: Partial<RegistrySnapshot> = {}): PlanningQuestion => {
  const task = envelope(more);
  const normalized = normalizePolicies(task.policies, { outputContract: task.outputContract });
  if (normalized.policies === undefined) throw new Error(JSON.stringify(normalized.diagnostics));
  return {
    runId: 'run1',
    tenant: 'default',
    envelope: task,
    policies: task.policies === undefined ? noPolicies() : normalized.policies,
    snapshot: Object.keys(world).length === 0 ? snapshot : { ...snapshot, ...world },
  };
};

export const origin: PlanOrigin = { attempts: 1, cause: { kind: 'initial' } };

type Node = PlannerDraft['nodes'][number];
export const node = (
  id: string,
  kind: Node['kind'],
  inputFacets: string[],
  outputFacets: string[],
  more: Partial<Node> = {},
): Node => ({
  id,
  kind,
  label: id,
  inputFacets,
  outputFacets,
  ...more,
});

export const strategist = node(
  'strategist',
  'structuring',
  ['objectiveBrief', 'audienceProfile', 'toneOfVoice'],
  ['writerBrief', 'planKnobs', 'strategicRationale'],
  { capabilityId: 'strategist.brief' },
);
export const writer = node(
  'writer',
  'execution',
  ['writerBrief', 'planKnobs', 'toneOfVoice', 'audienceProfile'],
  ['copyVariants'],
  { capabilityId: 'writer.linkedin' },
);
export const reviewer = node(
  'reviewer',
  'validation',
  ['copyVariants', 'writerBrief'],
  ['qaFindings', 'recommendationSet'],
  { capabilityId: 'reviewer.quality' },
);
export const shaper = node('shaper', 'transformation', ['copyVariants'], ['output'], {
  mapping: {
    output: {
      object: {
        variants: {
          each: { from: '/copyVariants' },
          as: {
            object: {
              headline: { from: '/headline' },
              body: { from: '/body' },
              callToAction: { from: '/callToAction', default: 'Read more' },
            },
          },
        },
      },
    },
  },
});

export const linkedinDraft = (): PlannerDraft => ({
  nodes: [strategist, writer, reviewer, shaper],
  metadata: { runtime: 'llm', model: 'test' },
});
