import type { StoredEvent, ValidationIssue } from '@flex/contracts';

/**
 * Why a signal cannot reach the policy that it names: nothing would come of it, and nobody would be told. Nothing is wrong
 * while the run's policies are not known.
 */
export function unknownManualPolicy(events: readonly StoredEvent[], policyId: string): ValidationIssue | undefined {
  const normalized = events.find((event) => event.type === 'policy.normalized');
  if (normalized?.type !== 'policy.normalized') return undefined;
  const manual = normalized.data.policies.runtime
    .filter(({ trigger }) => trigger.kind === 'manual')
    .map(({ id }) => id);
  if (manual.includes(policyId)) return undefined;
  const there = manual.length > 0 ? `those of this run are ${manual.join(', ')}` : 'this run has none';
  return { pointer: '/policyId', message: `is not a policy with a manual trigger; ${there}`, keyword: 'enum' };
}
