import { submitted, TestRun } from '../testing/stored-events.js';
import { unknownManualPolicy } from './manual-policy.js';

const policy = (id: string, kind: string) => ({ id, trigger: { kind }, action: { type: 'pause' } });
const withPolicies = (runtime: object[]): TestRun => {
  const run = new TestRun();
  run.add('run.submitted', submitted());
  run.add('policy.normalized', { policies: { planner: {}, runtime, budget: {} } as never });
  return run;
};

describe('a signal for a policy', () => {
  it('reaches one with a manual trigger, and none before the policies are known', () => {
    const run = withPolicies([policy('stop', 'manual'), policy('check', 'onStart')]);
    expect(unknownManualPolicy(run.events, 'stop')).toBeUndefined();
    expect(unknownManualPolicy(run.events.slice(0, 1), 'nope')).toBeUndefined();
  });

  it.each(['nope', 'check'])('does not reach %s, and says what there is', (policyId) => {
    const run = withPolicies([policy('stop', 'manual'), policy('again', 'manual'), policy('check', 'onStart')]);
    expect(unknownManualPolicy(run.events, policyId)).toMatchObject({
      pointer: '/policyId',
      message: expect.stringContaining('stop, again'),
    });
    expect(unknownManualPolicy(withPolicies([]).events, policyId)?.message).toContain('has none');
  });
});
