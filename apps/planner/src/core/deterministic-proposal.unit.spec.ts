import { mergeDelta, validateDelta, validateDraft } from '@flex/planning';
import type { RegistrySnapshot } from '@flex/contracts';
import { capabilities, capability, planRequest, snapshotOf } from '../testing/planning-fixtures.js';
import { deterministicProposal } from './deterministic-proposal.js';
import type { PlanRequest, Proposal } from './plan-answer.js';
import { questionOf } from './planning-question.js';

const propose = (rest: Partial<PlanRequest> = {}, plain = false, snapshot: RegistrySnapshot = snapshotOf()): Proposal =>
  deterministicProposal({ budgetMs: 200, clock: () => 0 }, 'run-1', planRequest(rest), snapshot, plain);
const judge = ({ draft }: Proposal, rest: Partial<PlanRequest> = {}, snapshot: RegistrySnapshot = snapshotOf()) =>
  validateDraft(questionOf('run-1', planRequest(rest), snapshot), draft ?? { nodes: [] }, {
    attempts: 1,
    cause: { kind: 'initial' },
  });

describe('the deterministic proposal', () => {
  it('passes validation, gives its reasons, and is the same each time', () => {
    const proposal = propose();
    expect(judge(proposal).plan).toBeDefined();
    const write = proposal.draft?.nodes.find(({ capabilityId }) => capabilityId === 'writer.linkedin');
    expect(proposal.selections?.[write?.id ?? '']).toMatchObject({
      score: expect.any(Number),
      threshold: expect.any(Number),
    });
    expect(propose()).toEqual(proposal);
  });

  it('is the bare chain when dynamic planning is off', () => {
    const proposal = propose({}, true);
    expect(judge(proposal).plan).toBeDefined();
    expect(proposal.draft?.nodes.map(({ capabilityId }) => capabilityId)).toEqual([
      'strategist.brief',
      'writer.linkedin',
      'reviewer.quality',
    ]);
    expect(proposal.selections).toEqual({});
  });

  it('does not use forbidden capabilities', () => {
    const snapshot = snapshotOf([
      ...capabilities,
      capability('other.writer', 'execution', ['toneOfVoice'], ['copyVariants']),
    ]);
    const request = planRequest({ outputContract: { mode: 'facets', facets: ['copyVariants'] } });
    const used = (): (string | undefined)[] | undefined =>
      propose(request, false, snapshot).draft?.nodes.map(({ capabilityId }) => capabilityId);
    expect(used()).toContain('other.writer');
    request.policies.planner.selection.forbid = ['other.writer'];
    expect(used()).toContain('writer.linkedin');
  });

  it('asks a person, with a reason, for what nothing registered can make', () => {
    const request = { outputContract: { mode: 'facets' as const, facets: ['copyVariants'] } };
    const proposal = propose(request, false, snapshotOf([]));
    expect(proposal.diagnostics).toContainEqual(
      expect.objectContaining({ facet: 'copyVariants', severity: 'warning' }),
    );
    expect(proposal.draft?.nodes).toMatchObject([{ kind: 'fallback', outputFacets: ['copyVariants'] }]);
  });

  it('has no draft, and says why, when what is wanted does not even exist', () => {
    const proposal = propose({ outputContract: { mode: 'facets', facets: ['copyVariant'] } });
    expect(proposal.diagnostics).toContainEqual(expect.objectContaining({ code: 'UNKNOWN_FACET', severity: 'error' }));
    expect(proposal.draft).toBeUndefined();
  });
});

describe('the deterministic proposal for a replan', () => {
  const request = { outputContract: { mode: 'facets' as const, facets: ['copyVariants', 'qaFindings'] } };
  const plan = judge(propose(request), request).plan!;
  const replan = (rest: object = {}): PlanRequest['replan'] => ({
    baseVersion: 1,
    plan,
    completed: plan.nodes.filter(({ capabilityId }) => capabilityId === 'strategist.brief').map(({ id }) => id),
    running: [],
    failed: [],
    available: ['objectiveBrief', 'audienceProfile', 'toneOfVoice', 'writerBrief', 'planKnobs', 'strategicRationale'],
    ...rest,
  });
  const second = capability('writer.second', 'execution', ['writerBrief'], ['copyVariants']);
  const snapshot = snapshotOf([...capabilities, second]);

  it('is a delta that passes validation and leaves finished nodes alone', () => {
    const asked = {
      ...request,
      phase: 'replan' as const,
      cause: { kind: 'capability_lost' as const, rationale: 'writer.linkedin is gone' },
      replan: replan({ exclude: ['writer.linkedin'] }),
    };
    const { delta, draft } = propose(asked, false, snapshot);
    expect(draft).toBeUndefined();
    expect(delta?.baseVersion).toBe(1);
    const completed = new Set(asked.replan?.completed);
    const judged = validateDelta(
      questionOf('run-1', planRequest(asked), snapshot),
      plan,
      { completed, running: new Set() },
      delta!,
      { attempts: 1, cause: asked.cause },
    );
    expect(judged.diagnostics.filter(({ severity }) => severity === 'error')).toEqual([]);
    const merged = mergeDelta(plan, judged.delta!, { cause: asked.cause });
    const used = merged.nodes.map(({ capabilityId }) => capabilityId);
    expect(used).toContain('writer.second');
    expect(used).not.toContain('writer.linkedin');
    expect(merged.nodes.filter(({ id }) => completed.has(id))).toEqual(
      plan.nodes.filter(({ id }) => completed.has(id)),
    );
  });
});
