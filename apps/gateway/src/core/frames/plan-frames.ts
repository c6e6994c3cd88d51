import { unreachable, type PlanMetadata } from '@flex/contracts';
import { json, type Draft, type EventOf, type ProjectionState } from './projection-state.js';

/** How a plan came about and changed. */
export function planFrames(state: ProjectionState, event: EventOf<'plan'>, out: Draft[]): void {
  switch (event.type) {
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
    case 'plan.draft_failed': {
      const { requestId, attempt, reason, diagnostics, usage } = event.data;
      out.push({
        type: 'log',
        message: reason,
        payload: json({ event: 'plan_draft_failed', requestId, attempt, diagnostics, usage }),
      });
      return;
    }
    // Internal: carried by the frames of what follows from them, or nothing that a client could act on.
    case 'plan.drafted':
    case 'plan.review_resolved':
      return;
    default:
      unreachable(event);
  }
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
