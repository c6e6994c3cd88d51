import { Capability, ContractViolation, issuesOf, type Json } from '@flex/contracts';
import type { StepContext } from './step-context.js';

/** Input facet -> value. */
export type Inputs = Record<string, Json | undefined>;
/** Output facet -> value; checked against the schema that the plan compiled for this node. */
export type Outputs = Record<string, unknown>;

/**
 * Does the work of one step. May be called more than once for the same step (a worker died, a network was cut):
 * `context.idempotencyKey` is then the same. Throw RetryableError or FatalError; anything else counts as retryable.
 */
export type Handler = (inputs: Inputs, context: StepContext) => Promise<Outputs> | Outputs;

export interface CapabilityDefinition {
  readonly capability: Capability;
  readonly handler: Handler;
}

const DEFAULT_HEARTBEAT = { intervalSeconds: 5, timeoutSeconds: 15 };

/** What an agent can do, and how. Throws ContractViolation, naming every fault, when the description is not valid. */
export function defineCapability(capability: Capability, handler: Handler): CapabilityDefinition {
  const issues = issuesOf(Capability, capability);
  if (issues.length > 0) {
    const faults = issues.map(({ pointer, message }) => `${pointer || '/'} ${message}`).join('; ');
    throw new ContractViolation(`capability ${capability?.capabilityId ?? '(unnamed)'}: ${faults}`, issues);
  }
  return { capability: { heartbeat: DEFAULT_HEARTBEAT, ...capability }, handler };
}
