import { metrics, type Attributes, type Counter, type Histogram } from '@opentelemetry/api';
import { resultsOf, type StoredEvent } from '@flex/contracts';
import { nodeOf, type RunState } from './core/state.js';

type Usage = { inputTokens?: number; outputTokens?: number; cost?: number };

interface Instruments {
  decisions: Counter;
  appends: Histogram;
  runs: Counter;
  runDuration: Histogram;
  planAttempts: Counter;
  planRejections: Counter;
  waiting: Histogram;
  tokens: Counter;
  cost: Counter;
}

let made: Instruments | undefined;

/** Made at first use: the API's meters do nothing for ever when they are asked for before telemetry has started. */
function instruments(): Instruments {
  const meter = () => metrics.getMeter('flex-orchestrator');
  return (made ??= {
    decisions: meter().createCounter('flex.decisions', { description: 'Decisions in the log, by type of event' }),
    appends: meter().createHistogram('flex.append.duration', {
      unit: 's',
      description: 'From a decision until the log has it',
      advice: { explicitBucketBoundaries: [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5] },
    }),
    runs: meter().createCounter('flex.runs', { description: 'Runs that were submitted or have ended, by status' }),
    runDuration: meter().createHistogram('flex.run.duration', {
      unit: 's',
      description: 'From submission to the end, by how it ended',
      advice: { explicitBucketBoundaries: [0.05, 0.1, 0.5, 1, 5, 15, 60, 300, 1800, 7200, 86_400, 604_800] },
    }),
    planAttempts: meter().createCounter('flex.plan.attempts', { description: 'Plans asked for, by phase' }),
    planRejections: meter().createCounter('flex.plan.rejections', {
      description: 'Drafts that validation refused, by phase and first finding',
    }),
    waiting: meter().createHistogram('flex.hitl.waiting', {
      unit: 's',
      description: 'From a question to a person until its answer or its end',
      advice: { explicitBucketBoundaries: [1, 5, 15, 60, 300, 900, 3600, 14_400, 86_400, 259_200, 604_800] },
    }),
    tokens: meter().createCounter('flex.tokens', { description: 'Tokens that planning and steps reported' }),
    cost: meter().createCounter('flex.cost', { description: 'Cost that planning and steps reported' }),
  });
}

/** A decision that the log has. `began` is of performance.now(). */
export function countDecision(type: string, began: number): void {
  const { decisions, appends } = instruments();
  decisions.add(1, { event: type });
  appends.record((performance.now() - began) / 1000);
}

/**
 * An event of an owned partition, counted once, by the owner that it comes to live. `state` is the run as it was before
 * the event.
 */
export function countEvent(state: RunState, event: StoredEvent): void {
  switch (event.type) {
    case 'run.submitted':
      return instruments().runs.add(1, { status: 'submitted' });
    case 'run.completed':
    case 'run.failed':
    case 'run.cancelled':
      return countEnd(state, event);
    case 'plan.requested':
      return instruments().planAttempts.add(1, { phase: (event as StoredEvent<'plan.requested'>).data.phase });
    case 'plan.rejected': {
      const { phase, diagnostics } = (event as StoredEvent<'plan.rejected'>).data;
      return instruments().planRejections.add(1, { phase, code: diagnostics[0]?.code ?? 'none' });
    }
    case 'plan.drafted':
    case 'plan.draft_failed':
      return countUsage((event as StoredEvent<'plan.drafted'>).data.usage, { by: 'planner' });
    case 'node.reported':
      for (const { nodeId, usage } of resultsOf((event as StoredEvent<'node.reported'>).data))
        countUsage(usage, { by: 'worker', 'flex.capability_id': nodeOf(state, nodeId)?.capabilityId ?? '' });
      return;
    case 'hitl.resolved':
    case 'hitl.closed': {
      const { taskId } = (event as StoredEvent<'hitl.resolved'>).data;
      const open = state.tasks.get(taskId);
      // Closing follows an answer: the wait was over with that.
      if (!open || open.answer) return;
      const outcome = event.type === 'hitl.resolved' ? 'answered' : (event as StoredEvent<'hitl.closed'>).data.outcome;
      return instruments().waiting.record((event.time - open.askedAt) / 1000, { kind: open.task.kind, outcome });
    }
  }
}

function countEnd(state: RunState, event: StoredEvent): void {
  const status = event.type.slice('run.'.length);
  instruments().runs.add(1, { status });
  instruments().runDuration.record((event.time - state.submittedAt) / 1000, { status });
}

function countUsage(usage: Usage | undefined, attributes: Attributes): void {
  if (!usage) return;
  const { tokens, cost } = instruments();
  if (usage.inputTokens) tokens.add(usage.inputTokens, { ...attributes, direction: 'input' });
  if (usage.outputTokens) tokens.add(usage.outputTokens, { ...attributes, direction: 'output' });
  if (usage.cost) cost.add(usage.cost, attributes);
}

/** What a replica owns, asked whenever metrics are collected. */
export function observePartitions(partitions: { lag: number; owned: number[]; runs: number }): void {
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
