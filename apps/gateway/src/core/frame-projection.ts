import {
  formatFrameId,
  unreachable,
  type Acceptance,
  type EventData,
  type Frame,
  type FrameType,
  type Json,
  type PlanMetadata,
  type StoredEvent,
} from '@flex/contracts';
import { timestampOf } from '../timestamp.js';

type Payload = Record<string, Json>;
type Report = EventData<'node.reported'>;

/** What the frames of a run need to know of its past. Owned by one fold and changed in place; grows with open work only. */
export interface ProjectionState {
  runId: string;
  correlationId: string;
  planVersion?: number;
  /** Results that are not accepted yet, by node and attempt. */
  reports: Map<string, Map<number, Report>>;
  /** Capability of the last dispatch, by node. */
  capabilities: Map<string, string>;
  /** Node of each open task. */
  tasks: Map<string, { nodeId?: string; kind: string }>;
  branches: Set<string>;
  fallbacks: Set<string>;
  /** After the final frame nothing follows, whatever still trickles into the log. */
  ended: boolean;
}

export const initialProjection = (runId: string): ProjectionState => ({
  runId,
  correlationId: runId,
  reports: new Map(),
  capabilities: new Map(),
  tasks: new Map(),
  branches: new Set(),
  fallbacks: new Set(),
  ended: false,
});

/** A frame before it gets its id: what it says, and about which node. */
interface Draft {
  type: FrameType;
  payload: Payload;
  nodeId?: string;
  message?: string;
  facetProvenance?: Record<string, string[]>;
}

/** The frames that clients see of one event, in order; empty for internal events. */
export function project(state: ProjectionState, event: StoredEvent): Frame[] {
  if (state.ended) return [];
  const accepted = (event.data as { accepted?: Acceptance[] }).accepted;
  const drafts: Draft[] = accepted ? accepted.map((acceptance) => completion(state, acceptance)) : [];
  shown(state, event, drafts);
  return drafts.map((draft, index) => frameOf(state, event, draft, index));
}

function frameOf(state: ProjectionState, event: StoredEvent, draft: Draft, index: number): Frame {
  const { type, payload, nodeId, message, facetProvenance } = draft;
  return {
    type,
    id: formatFrameId({ seq: event.seq, index }),
    timestamp: timestampOf(event.time),
    runId: event.runId,
    ...(nodeId === undefined ? {} : { nodeId }),
    correlationId: state.correlationId,
    ...(state.planVersion === undefined ? {} : { planVersion: state.planVersion }),
    ...(message === undefined ? {} : { message }),
    payload,
    ...(facetProvenance === undefined ? {} : { facetProvenance }),
  };
}

/** An accepted result: the outputs are the orchestrator's own, or those of the worker's report. */
function completion(state: ProjectionState, { nodeId, attempt, outputs }: Acceptance): Draft {
  const report = state.reports.get(nodeId)?.get(attempt);
  state.reports.delete(nodeId);
  const values = outputs ?? report?.outputs ?? {};
  const capabilityId = state.capabilities.get(nodeId);
  return {
    type: 'node_complete',
    nodeId,
    payload: json({
      outputs: values,
      attempt,
      capabilityId,
      durationMs: report?.durationMs,
      usage: report?.usage,
      metrics: report?.metrics,
    }),
    facetProvenance: Object.fromEntries(Object.keys(values).map((facet) => [facet, [nodeId]])),
  };
}

/** Appends what an event shows by itself. Every type of the log is named: shown, or internal with its reason. */
function shown(state: ProjectionState, event: StoredEvent, out: Draft[]): void {
  switch (event.type) {
    case 'run.submitted': {
      const { envelope, tenant, correlationId, threadId, after, forkOf, submittedBy } = event.data;
      state.correlationId = correlationId;
      out.push({
        type: 'start',
        message: envelope.objective,
        payload: json({
          objective: envelope.objective,
          outputContract: envelope.outputContract,
          inputs: Object.keys(envelope.inputs ?? {}),
          labels: envelope.metadata?.labels,
          tenant,
          threadId,
          after,
          forkOf,
          submittedBy,
        }),
      });
      return;
    }
    case 'plan.requested': {
      const { attempt, phase, policies, registry, diagnostics, cause, requestId, replan, deterministicOnly } =
        event.data;
      out.push({
        type: 'plan_requested',
        message: `Plan requested (${phase}, attempt ${attempt})`,
        payload: json({
          requestId,
          attempt,
          phase,
          policies: { planner: policyKeys(policies.planner), runtime: policies.runtime.map((policy) => policy.id) },
          registry: {
            revision: registry.revision,
            capabilities: registry.capabilities.length,
            facets: registry.facets.length,
            capabilityIds: registry.capabilities.slice(0, 50),
          },
          diagnostics,
          cause,
          baseVersion: replan?.baseVersion,
          deterministicOnly,
        }),
      });
      return;
    }
    case 'plan.rejected': {
      const { requestId, attempt, phase, diagnostics, usage } = event.data;
      const codes = [...new Set(diagnostics.map((diagnostic) => diagnostic.code))];
      out.push({
        type: 'plan_rejected',
        message: `Draft refused: ${codes.join(', ')}`,
        payload: json({ requestId, attempt, phase, diagnostics, usage }),
      });
      return;
    }
    case 'plan.generated': {
      const { plan, attempt, requestId, diagnostics, usage } = event.data;
      state.planVersion = plan.version;
      out.push({
        type: 'plan_generated',
        message: `Plan version ${plan.version} with ${plan.nodes.length} nodes`,
        payload: json({
          version: plan.version,
          versionTag: plan.versionTag,
          attempt,
          requestId,
          plan,
          diagnostics,
          usage,
        }),
      });
      planNews(state, plan.metadata, out);
      return;
    }
    case 'plan.updated': {
      const { previousVersion, version, versionTag, diff, cause, attempt, requestId, diagnostics, usage, delta } =
        event.data;
      state.planVersion = version;
      out.push({
        type: 'plan_updated',
        message: `Plan version ${version} follows ${previousVersion} (${cause.kind})`,
        payload: json({
          previousVersion,
          version,
          versionTag,
          diff,
          trigger: cause,
          attempt,
          requestId,
          nodes: [...delta.addNodes, ...delta.replaceNodes],
          diagnostics,
          usage,
        }),
      });
      planNews(state, delta.metadata, out);
      return;
    }
    case 'plan.fallback_chosen': {
      const { nodeId, from, to, facets, reason } = event.data;
      out.push({
        type: 'plan_fallback',
        nodeId,
        message: reason,
        payload: json({ nodeId, from, to, facets, reason, human: to === undefined }),
      });
      return;
    }
    case 'node.dispatched': {
      const { nodeId, attempt, planVersion, capabilityId, kind, label, outputFacets, provenance, timeoutMs } =
        event.data;
      state.capabilities.set(nodeId, capabilityId);
      state.planVersion = Math.max(state.planVersion ?? 0, planVersion);
      out.push({
        type: 'node_start',
        nodeId,
        message: label,
        payload: json({
          attempt,
          capabilityId,
          kind,
          label,
          inputFacets: Object.keys(event.data.inputs),
          outputFacets,
          timeoutMs,
        }),
        facetProvenance:
          provenance && Object.fromEntries(Object.entries(provenance).map(([facet, from]) => [facet, [from]])),
      });
      return;
    }
    case 'node.progressed': {
      const { nodeId, attempt, worker, fraction, message, text, data } = event.data;
      out.push({ type: 'node_progress', nodeId, message, payload: json({ attempt, worker, fraction, text, data }) });
      return;
    }
    case 'node.reported': {
      // Shown when the orchestrator accepts it; a second report of the same attempt changes nothing.
      const attempts = state.reports.get(event.data.nodeId) ?? new Map<number, Report>();
      if (!attempts.has(event.data.attempt)) attempts.set(event.data.attempt, event.data);
      state.reports.set(event.data.nodeId, attempts);
      return;
    }
    case 'node.failed': {
      const { nodeId, attempt, error, retryAt, final } = event.data;
      state.reports.get(nodeId)?.delete(attempt);
      out.push({
        type: 'node_error',
        nodeId,
        message: error.message,
        payload: json({
          attempt,
          error,
          final,
          retryAt: retryAt === undefined ? undefined : timestampOf(retryAt),
          capabilityId: state.capabilities.get(nodeId),
        }),
      });
      return;
    }
    case 'node.skipped':
      for (const { nodeId, reason } of event.data.nodes)
        out.push({ type: 'node_skipped', nodeId, message: reason, payload: { reason } });
      return;
    case 'node.cancelled':
      for (const { nodeId, attempt, reason } of event.data.nodes) {
        state.reports.delete(nodeId);
        out.push({
          type: 'log',
          nodeId,
          message: `Cancelled: ${reason}`,
          payload: { event: 'node_cancelled', attempt, reason },
        });
      }
      return;
    case 'validation.failed': {
      const { scope, nodeId, attempt, taskId, issues } = event.data;
      out.push({
        type: 'validation_error',
        nodeId,
        message: issues[0]?.message,
        payload: json({ scope, errors: issues, attempt, taskId }),
      });
      return;
    }
    case 'goal.failed':
      out.push({
        type: 'goal_condition_failed',
        message: event.data.conditions[0]?.message,
        payload: json({ conditions: event.data.conditions }),
      });
      return;
    case 'policy.triggered': {
      const { policyId, action, evaluations, nodeId, rationale, requestId } = event.data;
      const matched = evaluations.filter((evaluation) => evaluation.matched).map((evaluation) => evaluation.policyId);
      out.push({
        type: 'policy_triggered',
        nodeId,
        message: rationale ?? `Policy ${policyId}: ${action.type}`,
        payload: json({ policyId, action, matched, evaluations, requestId }),
      });
      return;
    }
    case 'policy.acted': {
      const { policyId, action, done, reason, event: name, payload, goto } = event.data;
      if (action === 'emit' || !done || goto) {
        const message = name ?? reason ?? `Policy ${policyId}: ${action}`;
        out.push({
          type: 'log',
          message,
          payload: json({ event: name ?? 'policy_acted', policyId, action, done, reason, payload, goto }),
        });
      }
      return;
    }
    case 'policy.refused':
      out.push({
        type: 'validation_error',
        message: event.data.diagnostics[0]?.message,
        payload: json({ scope: 'policies', errors: event.data.diagnostics }),
      });
      return;
    case 'policy.signalled': {
      const { kind, policyId, metric, value, message, by } = event.data;
      out.push({
        type: 'log',
        message: message ?? `Signal: ${kind}`,
        payload: json({ event: 'signal', kind, policyId, metric, value, by }),
      });
      return;
    }
    case 'plan.draft_failed': {
      const { requestId, attempt, reason, diagnostics, usage } = event.data;
      out.push({
        type: 'log',
        message: reason,
        payload: json({ event: 'plan_draft_failed', requestId, attempt, diagnostics, usage }),
      });
      return;
    }
    case 'hitl.requested': {
      const { task } = event.data;
      state.tasks.set(task.taskId, { nodeId: task.nodeId, kind: task.kind });
      out.push({
        type: 'hitl_request',
        nodeId: task.nodeId,
        message: task.prompt,
        payload: json({
          ...task,
          dueAt: task.dueAt === undefined ? undefined : timestampOf(task.dueAt),
          remindAt: undefined,
        }),
      });
      return;
    }
    case 'hitl.reminded': {
      const { taskId, dueAt } = event.data;
      const nodeId = state.tasks.get(taskId)?.nodeId;
      const due = dueAt === undefined ? undefined : timestampOf(dueAt);
      out.push({
        type: 'log',
        nodeId,
        message: 'A task is about to be late',
        payload: json({ event: 'hitl_reminder', taskId, dueAt: due }),
      });
      return;
    }
    case 'hitl.closed': {
      const task = state.tasks.get(event.data.taskId);
      state.tasks.delete(event.data.taskId);
      out.push({
        type: 'hitl_resolved',
        nodeId: task?.nodeId,
        message: event.data.reason,
        payload: json({ ...event.data, kind: task?.kind }),
      });
      return;
    }
    case 'run.started':
      out.push({
        type: 'log',
        message: 'Execution begins',
        payload: { event: 'run_started', planVersion: event.data.planVersion },
      });
      return;
    case 'run.capability_lost': {
      const { capabilityId, nodes } = event.data;
      out.push({
        type: 'log',
        message: `Capability ${capabilityId} went out of service`,
        payload: { event: 'capability_lost', capabilityId, nodes },
      });
      return;
    }
    case 'run.paused':
      out.push({ type: 'run_paused', message: event.data.reason, payload: json({ ...event.data }) });
      return;
    case 'run.resumed':
      out.push({ type: 'run_resumed', payload: json({ ...event.data }) });
      return;
    case 'run.completed': {
      const { output, satisfaction, constraints } = event.data;
      out.push(final(state, { status: 'completed', output, satisfaction, constraints }));
      return;
    }
    case 'run.failed':
      out.push(final(state, { status: 'failed', error: event.data.error }, event.data.error.message));
      return;
    case 'run.cancelled': {
      const { reason, by } = event.data;
      out.push(
        final(
          state,
          { status: 'cancelled', error: { code: 'cancelled', message: reason ?? 'The run was cancelled' }, by },
          reason,
        ),
      );
      return;
    }
    // Internal: carried by the frames of what follows from them.
    case 'node.completed':
    case 'policy.requested':
    case 'policy.evaluated':
    case 'policy.normalized':
    case 'plan.drafted':
    case 'plan.review_resolved':
    case 'hitl.resolved':
    case 'run.cancel_requested':
    case 'run.pause_requested':
    case 'run.resume_requested':
    case 'run.replan_requested':
    // Internal: how the log and its services work, nothing that a run's client could act on.
    case 'run.released':
    case 'node.started':
    case 'partition.claimed':
    case 'timer.set':
    case 'timer.fired':
      return;
    default:
      unreachable(event);
  }
}

function final(state: ProjectionState, payload: Record<string, unknown>, message?: string): Draft {
  state.ended = true;
  return { type: 'complete', message, payload: json(payload) };
}

/** Branches and fallbacks that this version of the plan has for the first time. */
function planNews(state: ProjectionState, metadata: PlanMetadata, out: Draft[]): void {
  for (const branch of metadata.branches ?? []) {
    if (state.branches.has(branch.id)) continue;
    state.branches.add(branch.id);
    out.push({ type: 'plan_branch', message: branch.label, payload: json({ ...branch }) });
  }
  for (const fallback of metadata.fallbacks ?? []) {
    if (state.fallbacks.has(fallback.nodeId)) continue;
    state.fallbacks.add(fallback.nodeId);
    out.push({
      type: 'plan_fallback',
      nodeId: fallback.nodeId,
      message: fallback.reason,
      payload: json({ ...fallback }),
    });
  }
}

/** Names of the planner policies that say something. */
const policyKeys = (planner: object): string[] =>
  Object.entries(planner)
    .filter(([, value]) => (Array.isArray(value) ? value.length > 0 : Object.keys((value ?? {}) as object).length > 0))
    .map(([key]) => key);

/** Leaves out what is undefined, so that a frame is plain JSON. */
function json(members: Record<string, unknown>): Payload {
  const out: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(members)) if (value !== undefined) out[key] = value;
  return out as Payload;
}
