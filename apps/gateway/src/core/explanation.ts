import type { Acceptance, EventData, PlanCause, PlanNode, PlannerDiagnostic, StoredEvent } from '@flex/contracts';
import { planVersions } from './plan-history.js';
import { initialSummary, summarize, type RunSummary } from './run-summary.js';
import type { NodeView } from './summary-nodes.js';
import { timestampOf } from '../timestamp.js';

/** Why a run went as it did, from its events alone. */
export interface Explanation {
  runId: string;
  objective: string;
  status: string;
  /** Every request for a plan, with what became of its draft. */
  planning: PlanningStep[];
  /** What changed the plan after its first version. */
  changes: { version: number; cause: PlanCause; by?: string; diff: EventData<'plan.updated'>['diff']; at: string }[];
  policies: { policyId: string; action: string; matched: string[]; nodeId?: string; rationale?: string; at: string }[];
  people: {
    taskId: string;
    kind: string;
    resolution?: string;
    outcome?: string;
    by?: string;
    comment?: string;
    nodeId?: string;
    at: string;
  }[];
  nodes: NodeExplanation[];
  actual: { durationMs?: number; replans: number; planAttempts: number; tokens: number; cost: number };
  planned: { tokens: number; cost: number; ms: number };
}

export interface PlanningStep {
  phase: string;
  attempt: number;
  cause: PlanCause;
  outcome: 'accepted' | 'rejected' | 'failed' | 'pending';
  version?: number;
  planner?: { runtime?: string; model?: string };
  diagnostics: PlannerDiagnostic[];
  at: string;
}

export interface NodeExplanation {
  nodeId: string;
  label: string;
  kind: string;
  capabilityId?: string;
  derivedFrom?: string;
  /** Why this capability. */
  why: { rationale: string[]; score?: number; threshold?: number; breakdown?: object; runnersUp?: object[] };
  inputs: PlanNode['provenance'];
  outputs: string[];
  policyHooks: string[];
  addedInVersion: number;
  status: string;
  planned: { tokens?: number; cost?: number; ms?: number };
  actual: { attempts: number; durationMs?: number; tokens?: number; cost?: number };
  errors: { attempt: number; code: string; message: string; at: string }[];
  fallbacks: { from?: string; to?: string; reason: string }[];
}

export function explain(runId: string, events: readonly StoredEvent[]): Explanation {
  const summary = initialSummary(runId);
  for (const event of events) summarize(summary, event);
  const nodes = explainNodes(events, summary);
  const sum = (pick: (node: NodeExplanation) => number | undefined): number =>
    nodes.reduce((total, node) => total + (pick(node) ?? 0), 0);
  return {
    runId,
    objective: summary.objective,
    status: summary.status,
    planning: explainPlanning(events),
    changes: events.flatMap((event) =>
      event.type === 'plan.updated'
        ? [
            {
              version: event.data.version,
              cause: event.data.cause,
              by: whoAsked(events, event.data.cause),
              diff: event.data.diff,
              at: timestampOf(event.time),
            },
          ]
        : [],
    ),
    policies: events.flatMap((event) => {
      if (event.type !== 'policy.triggered') return [];
      const { policyId, action, evaluations, nodeId, rationale } = event.data;
      const matched = evaluations.filter((evaluation) => evaluation.matched).map((evaluation) => evaluation.policyId);
      return [{ policyId, action: action.type, matched, nodeId, rationale, at: timestampOf(event.time) }];
    }),
    people: explainPeople(events, summary),
    nodes,
    actual: {
      durationMs: summary.endedAt === undefined ? undefined : summary.endedAt - summary.submittedAt,
      replans: summary.replans,
      planAttempts: summary.planAttempts,
      tokens: summary.usage.inputTokens + summary.usage.outputTokens,
      cost: summary.usage.cost,
    },
    planned: {
      tokens: sum((node) => node.planned.tokens),
      cost: sum((node) => node.planned.cost),
      ms: sum((node) => node.planned.ms),
    },
  };
}

function explainPlanning(events: readonly StoredEvent[]): PlanningStep[] {
  const steps: PlanningStep[] = [];
  const last = (): PlanningStep | undefined => steps.at(-1);
  for (const event of events) {
    const step = last();
    switch (event.type) {
      case 'plan.requested': {
        const { phase, attempt, cause } = event.data;
        steps.push({ phase, attempt, cause, outcome: 'pending', diagnostics: [], at: timestampOf(event.time) });
        break;
      }
      case 'plan.drafted':
        if (step) step.planner = (event.data.draft ?? event.data.delta)?.metadata;
        break;
      case 'plan.rejected':
        if (event.data.phase === 'review' || event.data.phase === 'edit') {
          const { phase, attempt, diagnostics } = event.data;
          steps.push({
            phase,
            attempt,
            cause: { kind: phase === 'review' ? 'review' : 'operator' },
            outcome: 'rejected',
            diagnostics,
            at: timestampOf(event.time),
          });
        } else if (step) Object.assign(step, { outcome: 'rejected', diagnostics: event.data.diagnostics });
        break;
      case 'plan.draft_failed':
        if (step) Object.assign(step, { outcome: 'failed', diagnostics: event.data.diagnostics });
        break;
      case 'plan.generated':
        if (step?.outcome === 'pending')
          Object.assign(step, {
            outcome: 'accepted',
            version: event.data.plan.version,
            diagnostics: event.data.diagnostics ?? [],
          });
        break;
      case 'plan.updated':
        if (step?.outcome === 'pending')
          Object.assign(step, {
            outcome: 'accepted',
            version: event.data.version,
            diagnostics: event.data.diagnostics ?? [],
          });
        break;
      default:
        break;
    }
  }
  return steps;
}

/** The person behind a change of the plan, if one was. */
function whoAsked(events: readonly StoredEvent[], cause: PlanCause): string | undefined {
  const answer = events.find(
    (event) =>
      event.seq === cause.seq ||
      (cause.taskId !== undefined &&
        (event.data as { taskId?: string }).taskId === cause.taskId &&
        event.type !== 'hitl.requested'),
  );
  return (answer?.data as { by?: string } | undefined)?.by;
}

function explainPeople(events: readonly StoredEvent[], summary: RunSummary): Explanation['people'] {
  return events.flatMap((event) => {
    if (event.type !== 'hitl.resolved' && event.type !== 'plan.review_resolved') return [];
    const { taskId, comment, by } = event.data;
    const task = summary.tasks.get(taskId);
    const resolution = event.type === 'hitl.resolved' ? event.data.resolution : event.data.decision;
    return [
      {
        taskId,
        kind: task?.kind ?? 'unknown',
        resolution,
        outcome: task?.outcome,
        by,
        comment,
        nodeId: task?.nodeId,
        at: timestampOf(event.time),
      },
    ];
  });
}

function explainNodes(events: readonly StoredEvent[], summary: RunSummary): NodeExplanation[] {
  const versions = planVersions(events);
  const known = new Map<string, { node: PlanNode; version: number }>();
  for (const { plan } of versions) {
    for (const node of plan.nodes) known.set(node.id, { node, version: known.get(node.id)?.version ?? plan.version });
  }
  const attempts = attemptsOf(events);
  return [...known.values()].map(({ node, version }) => {
    const view = summary.nodes.get(node.id);
    const { selection } = node;
    return {
      nodeId: node.id,
      label: node.label,
      kind: node.kind,
      capabilityId: view?.capabilityId ?? node.capabilityId,
      derivedFrom: node.derivedFrom,
      why: {
        rationale: node.rationale,
        score: selection?.score,
        threshold: selection?.threshold,
        breakdown: selection?.breakdown,
        runnersUp: selection?.runnersUp,
      },
      inputs: node.provenance,
      outputs: node.facets.output,
      policyHooks: node.policyHooks,
      addedInVersion: version,
      status: view?.status ?? 'removed',
      planned: node.estimate ?? {},
      actual: { attempts: attempts.get(node.id) ?? view?.attempt ?? 0, durationMs: view?.durationMs, ...spent(view) },
      errors: events.flatMap((event) =>
        event.type === 'node.failed' && event.data.nodeId === node.id
          ? [
              {
                attempt: event.data.attempt,
                code: event.data.error.code,
                message: event.data.error.message,
                at: timestampOf(event.time),
              },
            ]
          : [],
      ),
      fallbacks: events.flatMap((event) =>
        event.type === 'plan.fallback_chosen' && event.data.nodeId === node.id
          ? [{ from: event.data.from, to: event.data.to, reason: event.data.reason }]
          : [],
      ),
    };
  });
}

function spent(view: NodeView | undefined): { tokens?: number; cost?: number } {
  if (!view?.usage) return {};
  return { tokens: (view.usage.inputTokens ?? 0) + (view.usage.outputTokens ?? 0), cost: view.usage.cost };
}

/** How often each node was started; nodes that the engine executes itself only show when they are accepted. */
function attemptsOf(events: readonly StoredEvent[]): Map<string, number> {
  const attempts = new Map<string, number>();
  const raise = (nodeId: string, attempt: number): void =>
    void attempts.set(nodeId, Math.max(attempts.get(nodeId) ?? 0, attempt));
  for (const event of events) {
    if (event.type === 'node.dispatched') raise(event.data.nodeId, event.data.attempt);
    for (const { nodeId, attempt } of (event.data as { accepted?: Acceptance[] }).accepted ?? [])
      raise(nodeId, attempt);
  }
  return attempts;
}
