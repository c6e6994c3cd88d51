import type { PlanNode } from '@flex/contracts';

/** The capability that does a node's work: its own, or the one that it is derived from. A person, if there is none. */
export const performerOf = (node: PlanNode): string | undefined => node.capabilityId ?? node.derivedFrom;
