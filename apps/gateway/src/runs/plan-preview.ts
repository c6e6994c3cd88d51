import type { JsonSchema, RegistrySnapshot } from '@flex/contracts';
import { compileFacets } from '@flex/planning';
import type { EnvelopeFindings } from './envelope-check.js';

export interface CompiledContract {
  schema: JsonSchema;
  /** Which facet each part comes from, by pointer into the schema. */
  provenance: object;
  /** The property under which each facet appears. */
  keys: Readonly<Record<string, string>>;
  diagnostics: object[];
}

/** What would become of something, without doing it. */
export class PlanPreview {
  constructor(private readonly findings: EnvelopeFindings) {}

  /** The contract that facets make together, and where they contradict each other. */
  facets(facets: string[], direction: 'input' | 'output', snapshot: RegistrySnapshot): CompiledContract {
    const { schema, provenance, keys, errors } = compileFacets(
      snapshot.facets,
      facets.map((facet) => ({ facet })),
      direction,
    );
    const diagnostics = errors.map(({ code, facet, pointer, message }) => ({
      code: `FACET_CONTRACT_${code}`,
      severity: 'error',
      message,
      facet,
      pointer,
    }));
    return { schema, provenance, keys, diagnostics };
  }

  envelope(body: unknown, snapshot: RegistrySnapshot) {
    const errors = this.findings(body, snapshot);
    return { valid: errors.length === 0, errors, diagnostics: [] as object[] };
  }
}
