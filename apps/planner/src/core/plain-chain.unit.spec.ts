import type { OutputContract, RegistrySnapshot } from '@flex/contracts';
import { capabilities, capability, facets, planRequest, snapshotOf } from '../testing/planning-fixtures.js';
import { plainChain } from './plain-chain.js';
import type { PlanRequest, Proposal } from './plan-answer.js';
import { questionOf } from './planning-question.js';

const plan = (rest: Partial<PlanRequest> = {}, snapshot: RegistrySnapshot = snapshotOf()): Proposal =>
  plainChain(questionOf('run-1', planRequest(rest), snapshot));
const steps = ({ draft }: Proposal): string[] | undefined => draft?.nodes.map(({ id }) => id);

const variants: OutputContract = {
  mode: 'json_schema',
  schema: {
    type: 'object',
    required: ['variants'],
    properties: {
      variants: {
        type: 'array',
        items: {
          type: 'object',
          required: ['headline', 'body', 'callToAction'],
          properties: { headline: { type: 'string' }, body: { type: 'string' }, callToAction: { type: 'string' } },
        },
      },
    },
  },
};

describe('the plain chain', () => {
  it('puts one capability behind the other until the wanted facets are there', () => {
    const proposal = plan();
    expect(steps(proposal)).toEqual(['strategist.brief', 'writer.linkedin', 'reviewer.quality']);
    expect(proposal.draft?.edges).toEqual([
      { from: 'strategist.brief', to: 'writer.linkedin' },
      { from: 'writer.linkedin', to: 'reviewer.quality' },
    ]);
    expect(plan()).toEqual(proposal);
  });

  it('leaves out what the answer does not need', () => {
    expect(steps(plan({ outputContract: { mode: 'facets', facets: ['strategicRationale'] } }))).toEqual([
      'strategist.brief',
    ]);
  });

  it('finds the facet that a JSON schema can be composed of', () => {
    expect(steps(plan({ outputContract: variants }))).toEqual(['strategist.brief', 'writer.linkedin']);
  });

  it('answers freeform with the first thing that can be made', () => {
    expect(steps(plan({ outputContract: { mode: 'freeform', instructions: 'Some copy' } }))).toEqual([
      'strategist.brief',
      'writer.linkedin',
    ]);
  });

  it('also reaches goal conditions and required capabilities, and avoids forbidden ones', () => {
    const snapshot = snapshotOf([...capabilities, capability('a.writer', 'execution', [], ['copyVariants'])]);
    const request = planRequest({
      outputContract: { mode: 'facets', facets: ['copyVariants'] },
      goalConditions: [{ facet: 'qaFindings', condition: 'exists(value)' }],
    });
    request.policies.planner.selection.forbid = ['a.writer'];
    expect(steps(plan(request, snapshot))).toEqual(['strategist.brief', 'writer.linkedin', 'reviewer.quality']);
    request.policies.planner.selection.forbid = [];
    request.goalConditions = undefined;
    expect(steps(plan(request, snapshot))).toEqual(['a.writer']);
  });

  it('takes what specialises a facet for the facet itself', () => {
    const child = { name: 'linkedinVariants', direction: 'output' as const, schema: true, extends: 'copyVariants' };
    const base = snapshotOf([capability('special.writer', 'execution', [], ['linkedinVariants'])]);
    const snapshot = { ...base, facets: new Map([...facets, child].map((each) => [each.name, each])) };
    expect(steps(plan({ outputContract: { mode: 'facets', facets: ['copyVariants'] } }, snapshot))).toEqual([
      'special.writer',
    ]);
  });

  it('finds a way around capabilities that need each other', () => {
    const snapshot = snapshotOf([
      capability('a.one', 'execution', ['planKnobs'], ['writerBrief']),
      capability('a.two', 'execution', ['writerBrief'], ['planKnobs']),
      capability('b.start', 'structuring', ['toneOfVoice'], ['planKnobs']),
    ]);
    expect(steps(plan({ outputContract: { mode: 'facets', facets: ['writerBrief'] } }, snapshot))).toEqual([
      'b.start',
      'a.one',
    ]);
  });

  it.each([
    ['nothing is registered', snapshotOf([]), 'No capability is registered'],
    [
      'only inactive ones are',
      snapshotOf([capability('w.w', 'execution', [], ['copyVariants'], { status: 'inactive' })]),
      'No chain',
    ],
    [
      'an input is missing',
      snapshotOf([capability('w.w', 'execution', ['recommendationSet'], ['copyVariants'])]),
      'No chain',
    ],
  ])('says why when %s', (_name, snapshot, message) => {
    expect(plan({ outputContract: { mode: 'facets', facets: ['copyVariants'] } }, snapshot)).toEqual({
      diagnostics: [
        expect.objectContaining({
          code: 'CAPABILITY_MISSING',
          severity: 'error',
          message: expect.stringContaining(message),
        }),
      ],
    });
  });

  it('hands on what validation finds wrong with it', () => {
    const request = planRequest({ outputContract: { mode: 'facets', facets: ['copyVariants'] } });
    request.policies.planner.topology = { maxDepth: 1 };
    const { draft, diagnostics } = plan(request);
    expect(draft).toBeUndefined();
    expect(diagnostics).toContainEqual(expect.objectContaining({ code: 'DEPTH_EXCEEDED', severity: 'error' }));
  });
});
