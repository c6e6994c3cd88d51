import type { PlannerDraft } from '@flex/contracts';
import { planRequest, snapshotOf } from './testing/planning-fixtures.js';
import type { Asked, PlanRequest, Proposal } from './core/plan-answer.js';
import type { ModelAnswer, ModelQuestion } from './openai-model.js';
import { PlanningService, type PlanningOptions } from './planning-service.js';

const draft: PlannerDraft = {
  nodes: [
    {
      id: 'write',
      kind: 'execution',
      capabilityId: 'writer.linkedin',
      label: 'Write',
      inputFacets: [],
      outputFacets: ['copyVariants'],
    },
  ],
  edges: [],
};
const usage = { inputTokens: 1000, outputTokens: 100 };
const never = new AbortController().signal;
const asked = (rest: Partial<PlanRequest> = {}): Asked => ({ runId: 'run-1', data: planRequest(rest) });

const planner = (
  setup: { answers?: ModelAnswer[]; proposal?: Proposal; options?: Partial<PlanningOptions>; empty?: boolean } = {},
) => {
  const asks: ModelQuestion[] = [];
  const assembled: boolean[] = [];
  const snapshot = setup.empty ? snapshotOf([]) : snapshotOf();
  const service = new PlanningService(
    {
      snapshot: () => snapshot,
      reached: (revision, signal) =>
        revision <= 12
          ? Promise.resolve()
          : new Promise((_, reject) => signal?.addEventListener('abort', () => reject(signal.reason as Error))),
    },
    (_runId, _request, _snapshot, plain) => {
      assembled.push(plain);
      return setup.proposal ?? { draft, diagnostics: [], proven: true };
    },
    setup.answers && {
      name: 'm',
      ask: (question) => {
        asks.push(question);
        return Promise.resolve(setup.answers!.shift()!);
      },
    },
    {
      dynamic: true,
      hybrid: true,
      registryWaitMs: 20,
      promptTokens: 8000,
      prices: { inputPerMillion: 1, outputPerMillion: 10 },
      ...setup.options,
    },
  );
  return { service, asks, assembled };
};
const good = (value: object = { nodes: draft.nodes, edges: [] }): ModelAnswer => ({
  ok: true,
  text: JSON.stringify(value),
  usage,
  model: 'm-1',
});

describe('answering a planning request', () => {
  it('assembles without a model, and caches by question', async () => {
    const { service, assembled } = planner();
    const first = await service.answer(asked(), never);
    expect(first).toMatchObject({
      type: 'plan.drafted',
      id: 'plan.answer.run-1.plan-1.1',
      data: { draft: { metadata: { runtime: 'deterministic' } }, proven: true },
    });
    await service.answer(asked({ requestId: 'other', attempt: 2 }), never);
    expect(assembled).toEqual([false]);
    await service.answer(asked({ objective: 'Something else' }), never);
    expect(assembled).toEqual([false, false]);
  });

  it('lets the model draft, and records usage, cost and who drafted', async () => {
    const { service, asks } = planner({ answers: [good()] });
    const answer = await service.answer(asked(), never);
    expect(answer).toMatchObject({
      type: 'plan.drafted',
      data: {
        draft: { metadata: { runtime: 'llm', provider: 'openai', model: 'm-1', usage: { ...usage, cost: 0.002 } } },
        usage: { ...usage, model: 'm-1', cost: 0.002 },
      },
    });
    expect(asks[0]?.user).toContain('## Objective');
  });

  it('answers a replan with a delta on the version that was asked about', async () => {
    const replan = {
      baseVersion: 4,
      plan: { nodes: [], edges: [] },
      completed: [],
      running: [],
      failed: [],
      available: [],
    } as unknown as PlanRequest['replan'];
    const { service, asks } = planner({
      answers: [good({ operations: [{ op: 'removeNode', nodeId: 'x' }], rationale: [] })],
    });
    const answer = await service.answer(asked({ phase: 'replan', replan }), never);
    expect(answer).toMatchObject({
      type: 'plan.drafted',
      data: { delta: { baseVersion: 4, metadata: { runtime: 'llm' } } },
    });
    expect(asks[0]?.phase).toBe('replan');
  });

  it.each([
    ['the request is deterministic only', { deterministicOnly: true }, {}],
    ['the request is not hybrid', { hybrid: false }, {}],
    ['FLEX_HYBRID_PLANNING is off here', {}, { hybrid: false }],
  ])('does not ask the model when %s', async (_name, request, options) => {
    const { service, asks } = planner({ answers: [good()], options });
    expect(await service.answer(asked(request), never)).toMatchObject({
      data: { draft: { metadata: { runtime: 'deterministic' } } },
    });
    expect(asks).toEqual([]);
  });

  it.each([
    ['the request is not dynamic', { dynamic: false }, {}],
    ['FLEX_DYNAMIC_PLANNING is off here', {}, { dynamic: false }],
  ])('plans plainly, without the model, when %s', async (_name, request, options) => {
    const { service, asks, assembled } = planner({ answers: [good()], options });
    expect(await service.answer(asked(request), never)).toMatchObject({
      data: { draft: { metadata: { runtime: 'stub' } } },
    });
    expect(asks).toEqual([]);
    expect(assembled).toEqual([true]);
  });

  it('sends a malformed answer back as a failed attempt, with findings and usage', async () => {
    const { service } = planner({ answers: [{ ok: true, text: 'Here you go: {', usage, model: 'm-1' }] });
    expect(await service.answer(asked(), never)).toMatchObject({
      type: 'plan.draft_failed',
      data: { diagnostics: [{ code: 'DRAFT_MALFORMED', severity: 'error' }], usage: { ...usage } },
    });
  });

  it.each(['refused', 'unavailable', 'misconfigured'] as const)(
    'lets the assembler stand in when the model is %s',
    async (kind) => {
      const { service } = planner({ answers: [{ ok: false, failure: { kind, message: 'No' }, usage, model: 'm' }] });
      expect(await service.answer(asked(), never)).toMatchObject({
        type: 'plan.drafted',
        data: {
          draft: { metadata: { runtime: 'deterministic' } },
          diagnostics: [{ code: kind === 'refused' ? 'PLANNER_REFUSED' : 'PLANNER_UNAVAILABLE', severity: 'warning' }],
          usage,
        },
      });
    },
  );

  it('says why when nothing can be planned, and does not ask a model about an empty registry', async () => {
    const diagnostics = [
      { code: 'CAPABILITY_MISSING' as const, severity: 'error' as const, message: 'No capability is registered' },
    ];
    const { service, asks } = planner({ answers: [good()], proposal: { diagnostics }, empty: true });
    expect(await service.answer(asked(), never)).toMatchObject({ type: 'plan.draft_failed', data: { diagnostics } });
    expect(asks).toEqual([]);
  });

  it('still asks the model when the assembler found nothing among what is registered', async () => {
    const { service, asks } = planner({ answers: [good()], proposal: { diagnostics: [] } });
    expect(await service.answer(asked(), never)).toMatchObject({ type: 'plan.drafted' });
    expect(asks[0]?.user).toContain('found no plan');
  });

  it('does not wait for ever for a registry revision', async () => {
    const { service } = planner();
    const registry = { revision: 99, capabilities: [], facets: [] };
    expect(await service.answer(asked({ registry }), never)).toMatchObject({
      type: 'plan.drafted',
      data: { diagnostics: [{ severity: 'warning', message: expect.stringContaining('revision 99') }] },
    });
  });
});
