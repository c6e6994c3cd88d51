import type { Policies } from '@flex/contracts';
import { onPolicyRequested, onRunSubmitted } from './policy-decisions.js';

const submitted = (policies?: unknown) => ({
  runId: 'run-1',
  traceparent: 'trace',
  data: {
    tenant: 'default',
    correlationId: 'c',
    envelope: {
      objective: 'Write',
      outputContract: {
        mode: 'json_schema' as const,
        schema: { type: 'object', properties: { variants: { type: 'array', maxItems: 2 } } },
      },
      ...(policies === undefined ? {} : { policies: policies as Policies }),
    },
  },
});

describe('a submitted run', () => {
  it('without policies needs no word of the policy service', () => expect(onRunSubmitted(submitted())).toBeUndefined());

  it('with policies gets them compiled, with every default filled in; a repeat is the same message', () => {
    const event = submitted({
      runtime: [{ id: 'p', trigger: { kind: 'manual' }, action: { type: 'goto', next: 'write' } }],
    });
    const normalized = onRunSubmitted(event);
    expect(normalized).toMatchObject({
      type: 'policy.normalized',
      runId: 'run-1',
      id: 'policy.normalized.run-1',
      traceparent: 'trace',
      data: {
        policies: {
          runtime: [
            {
              id: 'p',
              enabled: true,
              trigger: { kind: 'manual' },
              action: { maxAttempts: 1 },
              maxTriggers: 1,
              reads: [],
            },
          ],
          budget: { maxReplans: 5, action: { type: 'fail' } },
        },
      },
    });
    expect(onRunSubmitted(event)).toEqual(normalized);
  });

  it('is refused with all that is wrong, pointing into the envelope', () => {
    const refused = onRunSubmitted(
      submitted({
        planner: { topology: { variantCount: 5 } },
        runtime: [{ id: 'p', trigger: { kind: 'manual', condition: 'facets.' }, action: { type: 'pause' } }],
      }),
    );
    expect(refused?.type).toBe('policy.refused');
    expect(refused?.data.diagnostics?.map(({ code, pointer }) => [code, pointer])).toEqual(
      expect.arrayContaining([
        ['POLICY_CONFLICT', '/policies/planner/topology/variantCount'],
        ['CONDITION_INVALID', '/policies/runtime/0/trigger/condition'],
      ]),
    );
  });
});

describe('an occasion', () => {
  const pause = { type: 'pause' as const, reason: 'Look at it' };
  const policy = (id: string, condition: boolean) => ({
    id,
    enabled: true,
    trigger: { kind: 'onNodeComplete' as const, condition },
    action: id === 'emit' ? { type: 'emit' as const, event: 'e' } : pause,
    maxTriggers: 3,
    reads: [],
  });
  const occasion = (...policies: ReturnType<typeof policy>[]) => ({
    runId: 'run-1',
    data: { requestId: 'q-1', occasion: 'onNodeComplete' as const, nodeId: 'n', policies, context: {} },
  });

  it('that nothing matches lets the run go on', () => {
    expect(onPolicyRequested(occasion(policy('a', false)))).toMatchObject({
      type: 'policy.evaluated',
      id: 'policy.verdict.run-1.q-1',
      data: { requestId: 'q-1', evaluations: [{ policyId: 'a', matched: false }] },
    });
  });

  it('records all that match; the first acts, with its reason', () => {
    const verdict = onPolicyRequested(occasion(policy('a', false), policy('b', true), policy('c', true)));
    expect(verdict).toMatchObject({
      type: 'policy.triggered',
      id: 'policy.verdict.run-1.q-1',
      data: {
        requestId: 'q-1',
        policyId: 'b',
        action: pause,
        rationale: 'Look at it',
        nodeId: 'n',
        evaluations: [
          { policyId: 'a', matched: false },
          { policyId: 'b', matched: true },
          { policyId: 'c', matched: true },
        ],
      },
    });
  });

  it('needs no reason for an action that has none', () => {
    expect(onPolicyRequested(occasion(policy('emit', true))).data).not.toHaveProperty('rationale');
  });
});
