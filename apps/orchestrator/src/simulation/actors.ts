import type { NewEvent, StepResult, StoredEvent } from '@flex/contracts';
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

/**
 * A worker's reports; it may go on with steps that the dispatch names, also wrongly, and be slow with the last. What is of
 * another capability comes under its key, after a report that names it.
 */
function reported(event: StoredEvent<'node.dispatched'>, random: Random): NewEvent[] {
  const reports: NewEvent[] = [];
  const report = (
    key: string | undefined,
    [head, ...further]: StepResult[],
    at?: StepResult,
    follows = false,
  ): void => {
    const last = at ?? further.at(-1);
    const upTo = last ? `:${at ? 'at' : 'to'}:${last.nodeId}:${last.attempt}` : '';
    const id = `${event.runId}:report:${head!.nodeId}:${head!.attempt}${upTo}`;
    const place = at && { nodeId: at.nodeId, attempt: at.attempt, ...(follows ? { follows } : {}) };
    const data = { ...head!, ...(further.length > 0 ? { further } : {}), ...(place ? { at: place } : {}) };
    reports.push({ type: 'node.reported', runId: event.runId, id, key, data });
  };
  let key = event.key;
  let row = [resultOf(event.data, random)];
  for (const step of event.data.next ?? []) {
    const last = row.at(-1)!;
    if (last.error || random.chance(typeof last.outputs!['text'] === 'number' ? 0.7 : 0.2)) break;
    const result = resultOf(step, random);
    // A worker that mixes them up is not believed.
    const own = random.chance(0.03) ? key : (step.key ?? event.key);
    const slow = random.chance(0.2);
    if (own !== key || slow) {
      report(key, row, result, !slow);
      row = [];
      key = own;
    }
    row.push(result);
    if (slow) break;
  }
  report(key, row);
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
