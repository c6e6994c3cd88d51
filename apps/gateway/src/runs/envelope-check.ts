import type { RegistrySnapshot, TaskEnvelope, ValidationIssue } from '@flex/contracts';
import { refuse } from '../http/problems.js';

/** What is wrong with an envelope as far as it can be told before planning; pure. */
export type EnvelopeFindings = (envelope: unknown, snapshot?: RegistrySnapshot) => ValidationIssue[];

/** Refuses envelopes that could only fail later. */
export class EnvelopeCheck {
  constructor(
    private readonly findings: EnvelopeFindings,
    private readonly snapshotOf: (tenant: string) => RegistrySnapshot | undefined,
  ) {}

  /** Throws `invalid_envelope` with pointers into the envelope. */
  check(envelope: unknown, tenant: string): asserts envelope is TaskEnvelope {
    const found = this.findings(envelope, this.snapshotOf(tenant));
    if (found.length > 0) throw refuse.invalidEnvelope(found.slice(0, 100));
  }
}
