import type { EventData, NewEvent, StepResult, StoredEvent } from '@flex/contracts';
import { evaluatePolicies } from '@flex/planning';
import type { Random } from './random.js';
import { normalized, randomDraft } from './world.js';

/** What the other services answer to an event; called again for the same event when a delivery is repeated. */
export function answers(event: StoredEvent, random: Random): NewEvent[] {
  switch (event.type) {
    case 'run.submitted':
      if (!event.data.envelope.policies) return [];
      return [
        {
          type: 'policy.normalized',
          runId: event.runId,
          id: `${event.runId}:normalized`,
          data: { policies: normalized(event.data.envelope) },
        },
      ];
    case 'policy.requested':
      return [verdict(event)];
    case 'plan.requested':
      return [drafted(event, random)];
    case 'node.dispatched':
      return reported(event, random);
    case 'hitl.requested':
      return answered(event, random);
    default:
      return [];
  }
}

function verdict(event: StoredEvent<'policy.requested'>): NewEvent {
  const { requestId, nodeId } = event.data;
  const { evaluations, acts } = evaluatePolicies(event.data);
  const id = `${event.runId}:verdict:${requestId}`;
  if (!acts) return { type: 'policy.evaluated', runId: event.runId, id, data: { requestId, evaluations } };
  return {
    type: 'policy.triggered',
    runId: event.runId,
    id,
    data: { requestId, evaluations, policyId: acts.policyId, action: acts.action, nodeId },
  };
}

function drafted(event: StoredEvent<'plan.requested'>, random: Random): NewEvent {
  const { requestId, attempt, replan } = event.data;
  const id = `${event.runId}:drafted:${requestId}:${attempt}`;
  if (random.chance(0.1))
    return {
      type: 'plan.draft_failed',
      runId: event.runId,
      id,
      data: {
        requestId,
        attempt,
        reason: 'no idea',
        diagnostics: [{ code: 'PLANNER_REFUSED', severity: 'error', message: 'no idea' }],
      },
    };
  if (!replan) {
    const draft = randomDraft(random);
    if (random.chance(0.2)) draft.nodes[0]!.capabilityId = 'sim.unknown';
    return { type: 'plan.drafted', runId: event.runId, id, data: { requestId, attempt, draft } };
  }
  // A replan puts a new node behind nothing and gives what failed to another capability.
  const failed = replan.failed.map(({ nodeId }) => replan.plan.nodes.find((node) => node.id === nodeId)!);
  const node = {
    id: `x${event.seq}`,
    kind: 'execution' as const,
    capabilityId: 'sim.two',
    label: 'extra',
    inputFacets: [],
    outputFacets: ['text', 'score'],
  };
  return {
    type: 'plan.drafted',
    runId: event.runId,
    id,
    data: {
      requestId,
      attempt,
      delta: {
        baseVersion: replan.baseVersion - (random.chance(0.1) ? 1 : 0) || 1,
        operations: [
          { op: 'addNode', node },
          ...failed.map((one) => ({ op: 'replaceNode' as const, node: { ...one.draft, capabilityId: 'sim.two' } })),
        ],
      },
    },
  };
}

/** A worker's report; it may go on with steps that the dispatch names, also wrongly, and be slow with the last. */
function reported(event: StoredEvent<'node.dispatched'>, random: Random): NewEvent[] {
  const steps = [event.data, ...(event.data.next ?? [])];
  const first = resultOf(steps[0]!, random);
  const further: StepResult[] = [];
  const reports: NewEvent[] = [];
  const report = (id: string, data: EventData<'node.reported'>): void =>
    void reports.push({
      type: 'node.reported',
      runId: event.runId,
      id: `${event.runId}:report:${id}`,
      key: event.key,
      data,
    });
  let last = first;
  let at: StepResult | undefined;
  for (const step of steps.slice(1)) {
    if (last.error || random.chance(typeof last.outputs!['text'] === 'number' ? 0.7 : 0.2)) break;
    last = resultOf(step, random);
    if (random.chance(0.2)) {
      at = last;
      break;
    }
    further.push(last);
  }
  const name = ({ nodeId, attempt }: StepResult): string => `${nodeId}:${attempt}`;
  if (at)
    report(`${name(first)}:at:${name(at)}`, { ...first, further, at: { nodeId: at.nodeId, attempt: at.attempt } });
  else if (further.length > 0) report(`${name(first)}:to:${name(last)}`, { ...first, further });
  else report(name(first), first);
  if (at) report(name(at), at);
  return reports;
}

function resultOf({ nodeId, attempt }: { nodeId: string; attempt: number }, random: Random): StepResult {
  if (random.chance(0.12))
    return { nodeId, attempt, error: { code: 'BROKEN', message: 'it broke', retryable: random.chance(0.7) } };
  if (random.chance(0.08)) return { nodeId, attempt, outputs: { text: 7, score: 0.5 } };
  return { nodeId, attempt, outputs: { text: `${nodeId} says so`, score: random.next() } };
}

function answered(event: StoredEvent<'hitl.requested'>, random: Random): NewEvent[] {
  const { task } = event.data;
  const id = `${event.runId}:answer:${task.taskId}`;
  if (task.kind === 'review')
    return [
      {
        type: 'plan.review_resolved',
        runId: event.runId,
        id,
        data: { taskId: task.taskId, decision: random.chance(0.9) ? 'approve' : 'reject' },
      },
    ];
  const resolution = random.chance(0.15)
    ? 'decline'
    : task.kind === 'output'
      ? 'output'
      : random.chance(0.8)
        ? 'approve'
        : 'reject';
  const output = resolution === 'output' ? { text: 'a person says so', score: 0.7 } : undefined;
  return [{ type: 'hitl.resolved', runId: event.runId, id, data: { taskId: task.taskId, resolution, output } }];
}
