import type { PlanCause, PlanGraph, StoredEvent } from '@flex/contracts';
import { mergeDelta } from '@flex/planning';

/** One version of a run's plan, and when and why it came to be. */
export interface PlanVersion {
  plan: PlanGraph;
  cause: PlanCause;
  seq: number;
  time: number;
}

/** All versions of the plan, made again from the first one and the deltas that followed. */
export function planVersions(events: Iterable<StoredEvent>): PlanVersion[] {
  const versions: PlanVersion[] = [];
  for (const event of events) {
    if (event.type === 'plan.generated') {
      const { plan } = event.data;
      versions.push({ plan, cause: plan.cause, seq: event.seq, time: event.time });
    } else if (event.type === 'plan.updated') {
      const base = versions.at(-1)?.plan;
      if (base?.version !== event.data.previousVersion) continue;
      const { delta, cause, versionTag } = event.data;
      versions.push({ plan: mergeDelta(base, delta, { cause, versionTag }), cause, seq: event.seq, time: event.time });
    }
  }
  return versions;
}
