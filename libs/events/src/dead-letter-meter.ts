import { metrics, type Counter } from '@opentelemetry/api';

let deadLetters: Counter | undefined;

/** Counts a message that was put aside. Costs nothing when telemetry is off. */
export function countDeadLetter(stream: string, consumer: string): void {
  // Made at first use: a meter that is asked for before telemetry has started does nothing for ever.
  deadLetters ??= metrics
    .getMeter('flex-events')
    .createCounter('flex.dead_letters', { description: 'Messages that break their contract, put aside' });
  deadLetters.add(1, { stream, consumer });
}
