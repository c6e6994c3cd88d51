import { metrics, type Counter, type Histogram } from '@opentelemetry/api';
import type { Partitions } from './partitions.js';

interface Instruments {
  decisions: Counter;
  appends: Histogram;
}

let made: Instruments | undefined;

/** Made at first use: the API's meters do nothing for ever when they are asked for before telemetry has started. */
function instruments(): Instruments {
  const meter = () => metrics.getMeter('flex-orchestrator');
  return (made ??= {
    decisions: meter().createCounter('flex.decisions', { description: 'Decisions in the log, by type of event' }),
    appends: meter().createHistogram('flex.append.duration', {
      unit: 's',
      description: 'From a decision to its acknowledgement by the log',
      advice: { explicitBucketBoundaries: [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5] },
    }),
  });
}

/** A decision that the log has acknowledged. `began` is of performance.now(). */
export function countDecision(type: string, began: number): void {
  const { decisions, appends } = instruments();
  decisions.add(1, { event: type });
  appends.record((performance.now() - began) / 1000);
}

/** What a replica owns, asked whenever metrics are collected. */
export function observePartitions(partitions: Partitions): void {
  const meter = metrics.getMeter('flex-orchestrator');
  meter
    .createObservableGauge('flex.partition.lag', { description: 'Events of owned partitions that are not folded yet' })
    .addCallback((result) => result.observe(partitions.lag));
  meter
    .createObservableGauge('flex.partition.owned', { description: 'Partitions that this replica owns' })
    .addCallback((result) => result.observe(partitions.owned.length));
  meter
    .createObservableGauge('flex.runs.in_memory', { description: 'Runs that this replica holds' })
    .addCallback((result) => result.observe(partitions.runs));
}
