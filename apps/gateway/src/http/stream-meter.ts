import { metrics } from '@opentelemetry/api';
import type { StreamGate } from './stream-gate.js';

/** Open streams of this replica, asked for whenever metrics are collected. */
export function observeStreams(gate: StreamGate): void {
  metrics
    .getMeter('flex-gateway')
    .createObservableGauge('flex.sse.clients', { description: 'Event streams that clients hold open' })
    .addCallback((result) => result.observe(gate.size));
}
