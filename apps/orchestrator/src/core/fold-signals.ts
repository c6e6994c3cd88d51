import type { StoredEvent } from '@flex/contracts';
import type { RunState, Signal } from './state.js';

/** What a client tells the run: metrics and facets are taken over at once, the rest waits for somebody to decide on it. */
export function signalled(state: RunState, { data, seq }: StoredEvent<'policy.signalled'>): void {
  if (data.kind === 'metric' && data.metric !== undefined && data.value !== undefined)
    state.metrics[data.metric] = data.value;
  for (const [facet, value] of Object.entries(data.facets ?? {})) state.facets.set(facet, { value, from: ['signal'] });
  if (isRelevant(state, data)) state.signals.push({ ...data, seq });
}

/** Whether anything can come of a signal: what nobody waits for is not kept. */
function isRelevant(state: RunState, signal: Omit<Signal, 'seq'>): boolean {
  if (signal.kind === 'message') return signal.replan !== false;
  return (state.policies?.runtime ?? []).some(
    (policy) =>
      policy.enabled &&
      (signal.kind === 'manual'
        ? policy.trigger.kind === 'manual' && (signal.policyId === undefined || policy.id === signal.policyId)
        : policy.trigger.kind === 'onMetricBelow' && policy.trigger.metric === signal.metric),
  );
}
