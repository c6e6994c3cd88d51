import { metrics, type Counter } from '@opentelemetry/api';

let triggers: Counter | undefined;

/** Counts a policy that acts, by what it does. Costs nothing when telemetry is off. */
export function countTrigger(action: string): void {
  // Made at first use: a meter that is asked for before telemetry has started does nothing for ever.
  triggers ??= metrics
    .getMeter('flex-policy')
    .createCounter('flex.policy.triggers', { description: 'Policies that acted' });
  triggers.add(1, { action });
}
