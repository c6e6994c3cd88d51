import { metrics, type Histogram } from '@opentelemetry/api';

let durations: Histogram | undefined;

/** How long a step took, by capability and by what came of it. Costs nothing when telemetry is off. */
export function recordStep(capabilityId: string, outcome: string, durationMs: number): void {
  // Made at first use: a meter that is asked for before telemetry has started does nothing for ever.
  durations ??= metrics.getMeter('flex-worker').createHistogram('flex.node.duration', {
    unit: 's',
    description: 'Execution of steps',
    advice: { explicitBucketBoundaries: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120] },
  });
  durations.record(durationMs / 1000, { 'flex.capability_id': capabilityId, outcome });
}
