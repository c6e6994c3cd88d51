import { CapabilityId, Closed, Tenant, Type, Uint, type Static } from './schema.js';

/** How calls of one capability ended since this was told last: results taken over, and attempts that failed. */
export const CallOutcomes = Closed({ tenant: Tenant, capabilityId: CapabilityId, succeeded: Uint, failed: Uint });
export type CallOutcomes = Static<typeof CallOutcomes>;

/**
 * What an orchestrator tells the registry every few seconds, on a subject of its own. It is a summary of decisions that
 * the log holds, for the health of capabilities; a lost one makes health a little older, nothing else.
 */
export const OutcomeReport = Closed({ outcomes: Type.Array(CallOutcomes, { maxItems: 100_000 }) });
export type OutcomeReport = Static<typeof OutcomeReport>;

/** What an orchestrator tells the gateways while it works: how many events of its partitions it has not folded yet. */
export const LoadReport = Closed({ owner: Type.String(), lag: Uint });
export type LoadReport = Static<typeof LoadReport>;
