import type { Json, NormalizedRuntimePolicy, OutputContract, TriggerKind } from '@flex/contracts';
import { evaluatePolicies } from './evaluate-policies.js';
import { matchingHooks } from './matching-hooks.js';
import { normalizePolicies } from './normalize-policies.js';

const errorsOf = (policies: unknown, outputContract?: OutputContract) => {
  const { policies: normalized, diagnostics } = normalizePolicies(policies, { outputContract });
  expect(normalized === undefined).toBe(diagnostics.some(({ severity }) => severity === 'error'));
  return diagnostics;
};
const normalized = (policies: unknown) => {
  const result = normalizePolicies(policies);
  if (result.policies === undefined) throw new Error(JSON.stringify(result.diagnostics));
  return result.policies;
};
const runtime = (...runtime: unknown[]) => normalized({ runtime }).runtime;

describe('normalising', () => {
  it('fills in what a client left out', () => {
    expect(normalized(undefined)).toEqual(normalized({}));
    expect(
      normalized({ planner: { selection: { prefer: ['a.b'] }, directives: 'Be brief' }, budget: { maxTokens: 10 } }),
    ).toEqual({
      planner: {
        topology: {},
        selection: { require: [], forbid: [], prefer: ['a.b'], avoid: [] },
        optimisation: {},
        branches: [],
        directives: ['Be brief'],
      },
      runtime: [],
      budget: { maxTokens: 10, maxReplans: 5, action: { type: 'fail', message: 'A budget of the run is used up' } },
    });
  });

  it('compiles conditions, and notes the facets that they read', () => {
    const [policy] = runtime({
      id: 'quality',
      trigger: {
        kind: 'onNodeComplete',
        selector: { kind: 'validation' },
        condition: 'facets.qaFindings.scores.overall < 0.6',
      },
      action: { type: 'hitl', approveAction: { type: 'goto', next: 'writer' } },
    });
    expect(policy).toEqual({
      id: 'quality',
      enabled: true,
      trigger: {
        kind: 'onNodeComplete',
        selector: { kind: 'validation' },
        condition: { '<': [{ var: 'facets.qaFindings.scores.overall' }, 0.6] },
      },
      action: { type: 'hitl', approveAction: { type: 'goto', next: 'writer', maxAttempts: 1 } },
      maxTriggers: 3,
      reads: ['qaFindings'],
    });
  });

  it('reads the facet behind a metric, and leaves signalled metrics alone', () => {
    const metric = (name: string) =>
      runtime({
        id: 'm',
        trigger: { kind: 'onMetricBelow', metric: name, threshold: 1 },
        action: { type: 'replan' },
      })[0]!.reads;
    expect(metric('facets.qaFindings.scores.overall')).toEqual(['qaFindings']);
    expect(metric('quality.score')).toEqual([]);
    expect(
      errorsOf({
        runtime: [
          {
            id: 'm',
            trigger: { kind: 'onMetricBelow', metric: 'facet.qa.x', threshold: 1 },
            action: { type: 'replan' },
          },
        ],
      }),
    ).toEqual([expect.objectContaining({ severity: 'warning', suggestion: 'Did you mean facets.qa.x?' })]);
  });

  it('takes a bare trigger name, and counts the attempts of a goto', () => {
    expect(
      runtime({ id: 'a', trigger: 'onStart', action: { type: 'goto', next: 'x', maxAttempts: 2 } })[0],
    ).toMatchObject({ trigger: { kind: 'onStart' }, maxTriggers: 2 });
  });

  it.each<[string, unknown, string, string, string]>([
    [
      'a misspelt section',
      { planer: {} },
      'POLICY_UNKNOWN',
      '/planer',
      'Did you mean "planner"? Supported are planner, runtime, budget',
    ],
    [
      'a misspelt field',
      { planner: { topology: { variantcount: 2 } } },
      'POLICY_UNKNOWN',
      '/planner/topology/variantcount',
      'Did you mean "variantCount"?',
    ],
    [
      'an unknown field',
      { planner: { selection: { colour: [] } } },
      'POLICY_UNKNOWN',
      '/planner/selection/colour',
      'Supported are require, forbid, prefer, avoid',
    ],
    [
      'a misspelt field of a policy',
      { runtime: [{ id: 'a', trigger: 'manual', action: { type: 'pause' }, maxTrigger: 1 }] },
      'POLICY_UNKNOWN',
      '/runtime/0/maxTrigger',
      '"maxTriggers"',
    ],
    [
      'a misspelt field of a trigger',
      { runtime: [{ id: 'a', trigger: { kind: 'onTimeout', ms: 1, selecter: {} }, action: { type: 'pause' } }] },
      'POLICY_UNKNOWN',
      '/runtime/0/trigger/selecter',
      '"selector"',
    ],
    [
      'a misspelt field of a nested action',
      {
        runtime: [
          {
            id: 'a',
            trigger: 'manual',
            action: { type: 'hitl', approveAction: { type: 'goto', nxt: 'b', next: 'c' } },
          },
        ],
      },
      'POLICY_UNKNOWN',
      '/runtime/0/action/approveAction/nxt',
      '"next"',
    ],
    [
      'an unknown trigger',
      { runtime: [{ id: 'a', trigger: { kind: 'onNodeCompleted' }, action: { type: 'pause' } }] },
      'POLICY_UNKNOWN',
      '/runtime/0/trigger/kind',
      'Did you mean "onNodeComplete"?',
    ],
    [
      'an unknown bare trigger',
      { runtime: [{ id: 'a', trigger: 'onstart', action: { type: 'pause' } }] },
      'POLICY_UNKNOWN',
      '/runtime/0/trigger/kind',
      'Did you mean "onStart"?',
    ],
    [
      'an unknown action',
      { runtime: [{ id: 'a', trigger: 'manual', action: { type: 'replann' } }] },
      'POLICY_UNKNOWN',
      '/runtime/0/action/type',
      'Did you mean "replan"?',
    ],
    [
      'an action without type',
      { runtime: [{ id: 'a', trigger: 'manual', action: {} }] },
      'POLICY_INVALID',
      '/runtime/0/action/type',
      'Supported are replan, hitl',
    ],
  ])('refuses %s and names what is supported', (_what, policies, code, pointer, suggestion) => {
    const found = errorsOf(policies);
    expect(found).toHaveLength(1);
    expect(found[0]).toMatchObject({
      code,
      pointer,
      severity: 'error',
      suggestion: expect.stringContaining(suggestion),
    });
  });

  it.each<[string, unknown, string, string]>([
    [
      'a number out of range',
      { planner: { topology: { variantCount: 7 } } },
      'POLICY_INVALID',
      '/planner/topology/variantCount',
    ],
    [
      'a trigger without what it needs',
      { runtime: [{ id: 'a', trigger: { kind: 'onTimeout' }, action: { type: 'pause' } }] },
      'POLICY_INVALID',
      '/runtime/0/trigger/ms',
    ],
    ['a wrong type', { runtime: {} }, 'POLICY_INVALID', '/runtime'],
    ['policies that are no object', 'strict', 'POLICY_INVALID', ''],
    [
      'require and forbid of the same',
      { planner: { selection: { require: ['a.b'], forbid: ['c', 'a.b'] } } },
      'POLICY_CONFLICT',
      '/planner/selection/forbid/1',
    ],
    [
      'prefer and avoid of the same',
      { planner: { selection: { prefer: ['a.b'], avoid: ['a.b'] } } },
      'POLICY_CONFLICT',
      '/planner/selection/avoid/0',
    ],
    [
      'a kind both required and forbidden',
      { planner: { topology: { requiredKinds: ['validation'], forbiddenKinds: ['validation'] } } },
      'POLICY_CONFLICT',
      '/planner/topology/forbiddenKinds/0',
    ],
    [
      'two branches of one id',
      {
        planner: {
          branches: [
            { id: 'x', label: 'X' },
            { id: 'x', label: 'Y' },
          ],
        },
      },
      'POLICY_CONFLICT',
      '/planner/branches/1/id',
    ],
    [
      'two policies of one id',
      {
        runtime: [
          { id: 'a', trigger: 'manual', action: { type: 'pause' } },
          { id: 'a', trigger: 'manual', action: { type: 'pause' } },
        ],
      },
      'POLICY_CONFLICT',
      '/runtime/1/id',
    ],
    [
      'a selector where there is no node',
      { runtime: [{ id: 'a', trigger: { kind: 'onStart', selector: { nodeId: 'x' } }, action: { type: 'pause' } }] },
      'POLICY_CONFLICT',
      '/runtime/0/trigger/selector',
    ],
    [
      'a JSON Logic condition of an unknown operator',
      {
        runtime: [
          { id: 'a', trigger: { kind: 'manual', condition: { and: [{ equals: [1, 1] }] } }, action: { type: 'pause' } },
        ],
      },
      'CONDITION_INVALID',
      '/runtime/0/trigger/condition/and/0/equals',
    ],
  ])('refuses %s', (_what, policies, code, pointer) => {
    expect(errorsOf(policies)).toEqual([expect.objectContaining({ code, pointer, severity: 'error' })]);
  });

  it('tells line and column of a condition that does not compile', () => {
    const condition = 'facets.qa.score < 0.6 &&\n  exist(facets.a)';
    const [found] = errorsOf({
      runtime: [{ id: 'a', trigger: { kind: 'manual', condition }, action: { type: 'pause' } }],
    });
    expect(found).toMatchObject({
      code: 'CONDITION_INVALID',
      pointer: '/runtime/0/trigger/condition',
      message: expect.stringMatching(/did you mean exists\? \(line 2, column 3\)/),
    });
  });

  it('holds variantCount against the lists of the contract', () => {
    const contract = (maxItems: number): OutputContract => ({
      mode: 'json_schema',
      schema: {
        type: 'object',
        properties: { variants: { $ref: '#/$defs/list' } },
        $defs: { list: { type: 'array', maxItems } },
      },
    });
    const policies = { planner: { topology: { variantCount: 3 } } };
    expect(errorsOf(policies, contract(3))).toEqual([]);
    expect(errorsOf(policies, contract(2))).toEqual([
      expect.objectContaining({
        code: 'POLICY_CONFLICT',
        pointer: '/planner/topology/variantCount',
        suggestion: expect.stringContaining('Set variantCount to 2'),
      }),
    ]);
  });

  it('counts the variants of every branch', () => {
    const contract: OutputContract = {
      mode: 'json_schema',
      schema: { type: 'object', properties: { variants: { type: 'array', minItems: 4, maxItems: 5 } } },
    };
    const branches = ['a', 'b'].map((id) => ({ id, label: id }));
    const asking = (variantCount: number) => ({ planner: { topology: { variantCount }, branches } });
    expect(errorsOf(asking(2), contract)).toEqual([]);
    expect(errorsOf(asking(3), contract)).toEqual([
      expect.objectContaining({
        code: 'POLICY_CONFLICT',
        message: expect.stringContaining('3 in each of 2 branches'),
        suggestion: expect.stringContaining('Set variantCount to 2'),
      }),
    ]);
    expect(errorsOf(asking(1), contract)).toHaveLength(1);
  });

  it('limits how deep questions may be nested', () => {
    let action: object = { type: 'pause' };
    for (let depth = 0; depth < 7; depth++) action = { type: 'hitl', approveAction: action };
    expect(errorsOf({ runtime: [{ id: 'a', trigger: 'manual', action }] })).toEqual([
      expect.objectContaining({ code: 'POLICY_INVALID' }),
    ]);
  });

  it('normalises every part of what it normalised to itself', () => {
    const given = {
      planner: { topology: { variantCount: 2 }, branches: [{ id: 'a', label: 'A' }], directives: ['x'] },
      budget: { maxReplans: 0 },
    };
    const once = normalized(given);
    expect(normalized({ planner: once.planner, budget: once.budget })).toEqual(once);
  });
});

describe('judging an occasion', () => {
  const policy = (
    id: string,
    more: Partial<NormalizedRuntimePolicy> & { condition?: string } = {},
  ): NormalizedRuntimePolicy => {
    const { condition, ...rest } = more;
    const base = runtime({
      id,
      trigger: { kind: 'onNodeComplete', ...(condition === undefined ? {} : { condition }) },
      action: { type: 'replan', rationale: id },
    })[0]!;
    return { ...base, ...rest };
  };
  const judge = (
    policies: NormalizedRuntimePolicy[],
    context: Record<string, Json> = {},
    occasion: TriggerKind = 'onNodeComplete',
  ) =>
    evaluatePolicies({
      occasion,
      nodeId: 'reviewer',
      node: { id: 'reviewer', kind: 'validation', capabilityId: 'reviewer.quality' },
      policies,
      context,
    });

  it('records all that match; the first acts', () => {
    expect(
      judge([policy('no', { condition: 'facets.a > 1' }), policy('first'), policy('second')], { facets: { a: 1 } }),
    ).toEqual({
      evaluations: [
        { policyId: 'no', matched: false, reason: 'the condition does not hold' },
        { policyId: 'first', matched: true },
        { policyId: 'second', matched: true, reason: 'first comes first' },
      ],
      acts: { policyId: 'first', action: { type: 'replan', rationale: 'first' }, rationale: 'first' },
    });
  });

  it('passes over a policy whose budget is used up', () => {
    const verdict = judge([policy('spent', { maxTriggers: 2 }), policy('next')], { run: { triggers: { spent: 2 } } });
    expect(verdict.acts?.policyId).toBe('next');
    expect(verdict.evaluations[0]).toEqual({
      policyId: 'spent',
      matched: true,
      reason: 'budget used up: it acted 2 of 2 times',
    });
    expect(judge([policy('spent', { maxTriggers: 2 })], { run: { triggers: { spent: 2 } } }).acts).toBeUndefined();
  });

  it('leaves out disabled policies, and lets none act when none matches', () => {
    expect(judge([policy('off', { enabled: false })])).toEqual({ evaluations: [] });
  });

  it.each([
    [{ nodeId: 'reviewer' }, true],
    [{ nodeId: 'writer' }, false],
    [{ kind: 'validation' as const }, true],
    [{ kind: 'validation' as const, capabilityId: 'other' }, false],
    [{ capabilityId: 'reviewer.quality' }, true],
    [{}, true],
  ])('selects by %j: %s', (selector, matched) => {
    expect(judge([policy('p', { trigger: { kind: 'onNodeComplete', selector } })]).evaluations[0]!.matched).toBe(
      matched,
    );
  });

  it('compares metrics, by name and by path, and never what has no value', () => {
    const metric = (name: string) => policy('m', { trigger: { kind: 'onMetricBelow', metric: name, threshold: 0.6 } });
    const context = { metrics: { quality: 0.5 }, facets: { qa: { score: 0.7 } } };
    expect(judge([metric('quality')], context, 'onMetricBelow').acts).toBeDefined();
    expect(judge([metric('quality')], context, 'onNodeComplete').acts).toBeDefined();
    expect(judge([metric('facets.qa.score')], context, 'onMetricBelow').evaluations[0]!.reason).toBe(
      'facets.qa.score is 0.7, not below 0.6',
    );
    expect(judge([metric('speed')], context, 'onMetricBelow').evaluations[0]!.reason).toBe('speed has no value');
  });

  it('waits until the time is up', () => {
    const late = policy('t', { trigger: { kind: 'onTimeout', ms: 100 } });
    expect(judge([late], { node: { durationMs: 99 } }, 'onTimeout').acts).toBeUndefined();
    expect(judge([late], { node: { durationMs: 100 } }, 'onTimeout').acts).toBeDefined();
  });

  it('lets a manual signal mean one policy', () => {
    const manual = (id: string) => policy(id, { trigger: { kind: 'manual' } });
    expect(judge([manual('a'), manual('b')], { signal: { policyId: 'b' } }, 'manual').acts?.policyId).toBe('b');
  });

  it('judges only what the occasion triggers', () => {
    expect(judge([policy('p')], {}, 'onStart').evaluations).toEqual([
      { policyId: 'p', matched: false, reason: 'waits for onNodeComplete' },
    ]);
  });
});

describe('hooks', () => {
  const hooksOf = (trigger: unknown, outputs: string[] = ['qaFindings']) =>
    matchingHooks(
      { id: 'reviewer', kind: 'validation', capabilityId: 'reviewer.quality', outputs },
      normalized({ runtime: [{ id: 'p', trigger, action: { type: 'pause' } }] }),
    );

  it.each<[string, unknown, string[]]>([
    ['its completion', 'onNodeComplete', ['p']],
    ['its validation', 'onValidationFail', ['p']],
    ['its time', { kind: 'onTimeout', ms: 1 }, ['p']],
    ['another kind of node', { kind: 'onNodeComplete', selector: { kind: 'execution' } }, []],
    ['the start', 'onStart', []],
    ['a capability', 'onCapabilityLost', []],
    ['a facet that it writes', { kind: 'onNodeComplete', condition: 'facets.qaFindings.x < 1' }, ['p']],
    ['a facet that others write', { kind: 'onNodeComplete', condition: 'facets.copyVariants' }, []],
    [
      'a facet that others write, but it is named',
      { kind: 'onNodeComplete', selector: { nodeId: 'reviewer' }, condition: 'facets.copyVariants' },
      ['p'],
    ],
    ['a metric that it writes', { kind: 'onMetricBelow', metric: 'facets.qaFindings.x', threshold: 1 }, ['p']],
    ['a metric that others write', { kind: 'onMetricBelow', metric: 'facets.copyVariants.x', threshold: 1 }, []],
    ['a metric that any report may carry', { kind: 'onMetricBelow', metric: 'quality', threshold: 1 }, ['p']],
  ])('a policy on %s', (_what, trigger, ids) => {
    expect(hooksOf(trigger)).toEqual(ids);
  });
});
