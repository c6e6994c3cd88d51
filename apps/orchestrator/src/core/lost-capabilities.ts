import type { NewEvent, RegistrySnapshot } from '@flex/contracts';
import { performerOf } from '@flex/planning';
import { indexOf, type RunState } from './state.js';

/** Says once that capabilities which waiting nodes need are out of service. */
export function lostCapabilities(state: RunState, registry: RegistrySnapshot): NewEvent[] {
  if (!state.plan || state.ended) return [];
  const lost = new Map<string, string[]>();
  for (const node of indexOf(state.plan).nodes.values()) {
    const capabilityId = performerOf(node);
    if (!capabilityId || node.agentType === 'human' || state.excluded.includes(capabilityId)) continue;
    if (state.nodes.get(node.id)?.status !== 'pending') continue;
    const registered = registry.capabilities.get(capabilityId);
    if (registered && registered.status === 'active') continue;
    lost.set(capabilityId, [...(lost.get(capabilityId) ?? []), node.id]);
  }
  return [...lost].map(([capabilityId, nodes]) => ({
    type: 'run.capability_lost',
    runId: state.runId,
    id: `${state.runId}:lost:${capabilityId}:${state.plan!.version}`,
    data: { capabilityId, nodes },
  }));
}
