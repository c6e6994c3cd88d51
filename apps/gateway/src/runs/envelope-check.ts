import type { RegistrySnapshot, TaskEnvelope, ValidationIssue } from '@flex/contracts';
import { refuse } from '../http/problems.js';
import type { ContractSchemas } from './contract-schemas.js';
import type { LiveSnapshots } from './live-snapshots.js';

/** What is wrong with an envelope as far as it can be told before planning; pure. */
export type EnvelopeFindings = (envelope: unknown, snapshot?: RegistrySnapshot) => ValidationIssue[];

/** Refuses envelopes that could only fail later. */
export class EnvelopeCheck {
  constructor(
    private readonly findings: EnvelopeFindings,
    private readonly registry: LiveSnapshots,
    private readonly schemas: ContractSchemas,
  ) {}

  /** Rejects with `invalid_envelope` and pointers into the envelope. */
  async check(envelope: TaskEnvelope, tenant: string): Promise<void> {
    const unsound = await this.schemas.faults(envelope);
    if (unsound.length > 0) throw refuse.invalidEnvelope(unsound);
    const found = await this.registry.judge(
      tenant,
      (snapshot) => this.findings(envelope, snapshot),
      (issues) => issues.length === 0,
    );
    if (found.length > 0) throw refuse.invalidEnvelope(found.slice(0, 100));
  }
}
