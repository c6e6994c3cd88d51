import { noPolicies, unreachable, type StoredEvent } from '@flex/contracts';
import { isFinal } from './is-final.js';
import { dueAt } from './due.js';
import { accept, acceptAll, cancel, end, giveWay, openGate, setBack } from './fold-nodes.js';
import { closeTask, openTask, done } from './fold-people.js';
import { planRequested, planUpdated, usePlan } from './fold-plan.js';
import { begin, nameSteps, reported, undoAfter } from './fold-reports.js';
import { signalled } from './fold-signals.js';
import { isFinished } from './progress.js';
import { spend } from './spend.js';
import { NEVER, type RunState } from './state.js';

/** Raised when the same events fold to something else than before: snapshots of before are then not read. */
export const FOLD_VERSION = 3;

/** The state of a run of which nothing is known but its submission. */
export function initial(event: StoredEvent<'run.submitted'>): RunState {
  const { envelope, tenant, correlationId, after, seed } = event.data;
  const state: RunState = {
    runId: event.runId,
    tenant,
    correlationId,
    seq: event.seq,
    time: event.time,
    submittedAt: event.time,
    envelope,
    traceparent: event.traceparent,
    waitsForThread: (after?.length ?? 0) > 0,
    nodes: new Map(),
    ready: new Set(),
    reported: new Set(),
    dead: new Set(),
    active: new Set(),
    retrying: new Set(),
    fallen: new Set(),
    expandable: new Set(),
    unfinished: 0,
    facets: new Map(),
    metrics: {},
    verdicts: new Map(),
    asked: new Set(),
    triggered: [],
    signals: [],
    edits: [],
    lost: [],
    tasks: new Map(),
    replans: 0,
    planRounds: 0,
    escalations: 0,
    policyCounts: {},
    excluded: [],
    budgetLifted: false,
    spent: { tokens: 0, cost: 0, dispatched: 0 },
    chain: { head: '', count: 0 },
    due: NEVER,
  };
  if (envelope.policies === undefined) state.policies = noPolicies();
  for (const [facet, value] of Object.entries(envelope.inputs ?? {}))
    state.facets.set(facet, { value, from: ['envelope'] });
  for (const [facet, value] of Object.entries(seed?.context ?? {})) state.facets.set(facet, { value, from: ['fork'] });
  return state;
}

/**
 * Folds one event into the state, in the order of the log. Deterministic, total over the catalogue, and its cost
 * follows what the event changes, not the size of the plan. An event that no longer applies changes nothing.
 */
export function evolve(state: RunState, event: StoredEvent): void {
  state.seq = event.seq;
  state.time = event.time;
  if (state.ended) return;
  switch (event.type) {
    case 'run.submitted':
    case 'partition.claimed':
    case 'timer.set':
    case 'timer.fired':
    case 'run.deleted':
    case 'node.started':
    case 'node.progressed':
    case 'validation.failed':
    case 'plan.fallback_chosen':
      return evolveSmall(state, event);
    case 'run.released':
      state.waitsForThread = false;
      return;
    case 'run.cancel_requested':
      state.cancelRequested = event.data;
      return;
    case 'run.pause_requested':
      if (!state.paused) state.pauseRequested = event.data;
      return;
    case 'run.resume_requested':
      // A stale expectation was refused at the gateway; one that became stale on the way changes nothing.
      if (event.data.expectedPlanVersion !== undefined && event.data.expectedPlanVersion !== state.plan?.version)
        return;
      state.pauseRequested = undefined;
      if (state.paused) state.resumeRequested = event.data;
      return;
    case 'run.replan_requested':
      state.edits.push({ ...event.data, seq: event.seq });
      return;
    case 'plan.review_resolved': {
      const open = state.tasks.get(event.data.taskId);
      if (open && !open.answer)
        open.answer = {
          taskId: event.data.taskId,
          resolution: event.data.decision,
          operations: event.data.operations,
          branches: event.data.branches,
          baseVersion: event.data.baseVersion,
          comment: event.data.comment,
          by: event.data.by,
        };
      return;
    }
    case 'hitl.resolved': {
      const open = state.tasks.get(event.data.taskId);
      if (open && !open.answer) open.answer = event.data;
      return;
    }
    case 'policy.signalled':
      return signalled(state, event);
    case 'policy.normalized':
      state.policies ??= event.data.policies;
      return;
    case 'policy.refused':
      if (!state.policies) state.refusedPolicies = event.data.diagnostics;
      return;
    case 'policy.requested':
      for (const acceptance of event.data.accepted ?? [])
        accept(state, acceptance, acceptance.nodeId === event.data.nodeId ? event.data.requestId : undefined);
      state.asked.add(event.data.requestId);
      state.verdicts.set(event.data.requestId, { occasion: event.data.occasion, nodeId: event.data.nodeId });
      if (event.data.occasion === 'onCapabilityLost') for (const lost of state.lost) lost.asked = true;
      state.signals = state.signals.filter((signal) => !event.data.requestId.endsWith(`|${signal.seq}`));
      if (event.data.occasion === 'onTimeout' && event.data.nodeId) {
        const run = state.nodes.get(event.data.nodeId);
        if (run) (run.asked ??= []).push(...event.data.policies.map((policy) => policy.id));
      }
      return;
    case 'policy.evaluated':
      if (state.verdicts.delete(event.data.requestId)) openGate(state, event.data.requestId);
      return;
    case 'policy.triggered':
      if (!state.verdicts.delete(event.data.requestId)) return;
      state.policyCounts[event.data.policyId] = (state.policyCounts[event.data.policyId] ?? 0) + 1;
      state.triggered.push({ ...event.data, seq: event.seq });
      openGate(state, event.data.requestId);
      return;
    case 'policy.acted':
      done(state, event.data.trigger);
      if (event.data.goto) setBack(state, event.data.goto.nodes);
      return;
    case 'plan.requested':
      return planRequested(state, event);
    case 'plan.drafted':
      if (
        state.planning?.requestId === event.data.requestId &&
        state.planning.attempt === event.data.attempt &&
        !state.planning.answer
      )
        state.planning.answer = { kind: 'draft', ...event.data };
      return;
    case 'plan.draft_failed':
      if (
        state.planning?.requestId === event.data.requestId &&
        state.planning.attempt === event.data.attempt &&
        !state.planning.answer
      ) {
        state.planning.answer = { kind: 'failed', reason: event.data.reason, diagnostics: event.data.diagnostics };
        // A draft's usage is spent with its rejection or acceptance; what a failed one cost counts here.
        spend(state, event.data.usage);
      }
      return;
    case 'plan.rejected':
      spend(state, event.data.usage);
      if (event.data.phase === 'review' || event.data.phase === 'edit') dropEdit(state, event.data.requestId);
      else if (state.planning) {
        state.planning.answer = undefined;
        state.planning.refused = event.data.diagnostics;
        state.planning.final = isFinal(event.data);
      }
      return;
    case 'plan.generated':
      spend(state, event.data.usage);
      if (event.data.policies) state.policies = event.data.policies;
      state.planning = undefined;
      return usePlan(state, event.data.plan);
    case 'plan.updated':
      return planUpdated(state, event);
    case 'node.dispatched': {
      const { nodeId, attempt, timeoutMs, planVersion, next, accepted } = event.data;
      acceptAll(state, accepted);
      const run = state.nodes.get(nodeId);
      if (!run) return;
      begin(state, nodeId, run, { attempt, key: event.key, time: event.time, timeoutMs });
      if (next) nameSteps(state, run, planVersion, next, event.key);
      return;
    }
    case 'node.reported':
      return reported(state, event);
    case 'node.completed':
      return acceptAll(state, event.data.accepted);
    case 'node.failed': {
      acceptAll(state, event.data.accepted);
      const run = state.nodes.get(event.data.nodeId);
      if (!run || isFinished(run)) return;
      run.report = run.deadline = undefined;
      run.error = event.data.error;
      state.reported.delete(event.data.nodeId);
      undoAfter(state, event.data.nodeId);
      if (event.data.final) {
        run.status = 'failed';
        state.active.delete(event.data.nodeId);
        state.retrying.delete(event.data.nodeId);
        state.fallen.add(event.data.nodeId);
        if (run.taskId) state.tasks.delete(run.taskId);
      } else {
        run.status = 'retrying';
        run.retryAt = event.data.retryAt ?? event.time;
        state.active.delete(event.data.nodeId);
        state.retrying.add(event.data.nodeId);
        dueAt(state, run.retryAt);
      }
      return;
    }
    case 'node.skipped':
      acceptAll(state, event.data.accepted);
      for (const { nodeId } of event.data.nodes) end(state, nodeId, 'skipped');
      return;
    case 'node.cancelled':
      for (const { nodeId } of event.data.nodes) cancel(state, nodeId);
      return;
    case 'goal.failed':
      acceptAll(state, event.data.accepted);
      state.goalFailed = {
        seq: event.seq,
        message: event.data.conditions.map((condition) => condition.message).join('; '),
      };
      return;
    case 'hitl.requested':
      acceptAll(state, event.data.accepted);
      return openTask(state, event.data.task, event.time);
    case 'hitl.reminded': {
      const open = state.tasks.get(event.data.taskId);
      if (open) open.reminded = true;
      return;
    }
    case 'hitl.closed':
      return closeTask(state, event);
    case 'run.capability_lost':
      if (event.data.nodes.some((nodeId) => state.nodes.get(nodeId)?.status === 'pending'))
        state.lost.push({ capabilityId: event.data.capabilityId, seq: event.seq });
      if (!state.excluded.includes(event.data.capabilityId)) state.excluded.push(event.data.capabilityId);
      return;
    case 'run.paused':
      state.paused = event.data;
      state.pauseRequested = undefined;
      done(state, event.data.trigger);
      return;
    case 'run.resumed':
      state.paused = state.resumeRequested = state.pauseRequested = undefined;
      return;
    case 'run.completed':
      acceptAll(state, event.data.accepted);
      return finish(state, 'completed');
    case 'run.failed':
      acceptAll(state, event.data.accepted);
      return finish(state, 'failed');
    case 'run.cancelled':
      return finish(state, 'cancelled');
    default:
      return unreachable(event);
  }
}

/** Events that say something to people, or change one thing only. */
function evolveSmall(state: RunState, event: StoredEvent): void {
  if (event.type === 'plan.fallback_chosen') {
    const run = state.nodes.get(event.data.nodeId);
    if (!run) return;
    if (event.data.standIn !== undefined) return giveWay(state, event.data.nodeId);
    run.candidate++;
    run.tries = 0;
    run.status = 'pending';
    state.fallen.delete(event.data.nodeId);
    state.active.delete(event.data.nodeId);
    if (run.unmet === 0) state.ready.add(event.data.nodeId);
  } else if (event.type === 'validation.failed') {
    const { scope, taskId, nodeId, issues } = event.data;
    if (scope === 'answer' && taskId && state.tasks.has(taskId)) state.tasks.get(taskId)!.answer = undefined;
    else if (scope === 'node_output' && nodeId && state.nodes.has(nodeId)) state.nodes.get(nodeId)!.judged = issues;
    else if (scope === 'output' || scope === 'constraint')
      state.goalFailed = {
        seq: event.seq,
        message: issues.map((issue) => `${issue.pointer} ${issue.message}`).join('; '),
      };
  }
}

function finish(state: RunState, ended: NonNullable<RunState['ended']>): void {
  state.ended = ended;
  state.due = NEVER;
}

function dropEdit(state: RunState, requestId: string): void {
  state.edits = state.edits.filter((edit) => String(edit.seq) !== requestId);
  for (const open of state.tasks.values()) if (open.task.taskId === requestId) open.answer = undefined;
}
