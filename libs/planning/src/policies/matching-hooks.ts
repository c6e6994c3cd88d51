import type { DraftNode, NormalizedPolicies, NormalizedRuntimePolicy, Selector } from '@flex/contracts';

/** What of a node a selector and a condition can look at. */
export interface HookedNode {
  id: string;
  kind: DraftNode['kind'];
  capabilityId?: string;
  derivedFrom?: string;
  /** Facets that it writes. */
  outputs: readonly string[];
}

export const selects = (
  selector: Selector | undefined,
  node: { id: string; kind?: string; capabilityId?: string; derivedFrom?: string } | undefined,
): boolean => {
  if (selector === undefined) return true;
  const { nodeId, kind, capabilityId } = selector;
  if (nodeId === undefined && kind === undefined && capabilityId === undefined) return true;
  if (node === undefined) return false;
  return (
    (nodeId === undefined || nodeId === node.id) &&
    (kind === undefined || kind === node.kind) &&
    (capabilityId === undefined || capabilityId === node.capabilityId || capabilityId === node.derivedFrom)
  );
};

const named = (selector: Selector | undefined): boolean =>
  selector !== undefined && Object.values(selector).some((part) => part !== undefined);

/**
 * Ids of the runtime policies that can match this node when it completes, breaks its schema or takes too long: its
 * completion waits for their verdict. A policy without a selector that reads facets is about the nodes that write one of them:
 * otherwise it would be judged again and again on the same old values.
 */
export function matchingHooks(node: HookedNode, policies: NormalizedPolicies): string[] {
  const ids: string[] = [];
  for (const policy of policies.runtime) if (policy.enabled && hooks(policy, node)) ids.push(policy.id);
  return ids;
}

function hooks({ trigger, reads }: NormalizedRuntimePolicy, node: HookedNode): boolean {
  const concerned = () =>
    named(trigger.selector) || reads.length === 0 || reads.some((facet) => node.outputs.includes(facet));
  switch (trigger.kind) {
    case 'onNodeComplete':
      return selects(trigger.selector, node) && concerned();
    case 'onMetricBelow':
      // A metric read from facets comes with their writer; one with a name of its own with any report, or a signal.
      return (
        selects(trigger.selector, node) && (reads.length === 0 || reads.some((facet) => node.outputs.includes(facet)))
      );
    case 'onValidationFail':
    case 'onTimeout':
      return selects(trigger.selector, node);
    case 'onStart':
    case 'onCapabilityLost':
    case 'manual':
      return false;
  }
}
