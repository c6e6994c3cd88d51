import type {
  JsonSchema,
  PlanGraph,
  PlannerDiagnostic,
  RegistrySnapshot,
  TaskEnvelope,
  ValidationIssue,
} from '@flex/contracts';
import { assemble, compileFacets, normalizePolicies, validateDraft } from '@flex/planning';
import type { EnvelopeFindings } from './envelope-check.js';

export interface CompiledContract {
  schema: JsonSchema;
  /** Which facet each part comes from, by pointer into the schema. */
  provenance: object;
  /** The property under which each facet appears. */
  keys: Readonly<Record<string, string>>;
  diagnostics: object[];
}

export interface Preview {
  valid: boolean;
  errors: ValidationIssue[];
  diagnostics: PlannerDiagnostic[];
  plan?: PlanGraph;
}

/** A preview is not worth proving that its plan is the smallest. */
const ASSEMBLY_MS = 100;
const PREVIEW = 'preview';

/** What would become of something, without doing it. */
export class PlanPreview {
  constructor(
    private readonly findings: EnvelopeFindings,
    private readonly clock: () => number,
  ) {}

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

  /** The plan that a task would get without a model's help, or why it would get none. */
  envelope(body: unknown, tenant: string, snapshot: RegistrySnapshot): Preview {
    const errors = this.findings(body, snapshot);
    if (errors.length > 0) return { valid: false, errors, diagnostics: [] };
    const envelope = body as TaskEnvelope;
    const { policies, diagnostics: found } = normalizePolicies(envelope.policies, {
      outputContract: envelope.outputContract,
    });
    if (!policies) return { valid: false, errors: [], diagnostics: found };
    const question = { runId: PREVIEW, tenant, envelope, policies, snapshot };
    const assembly = envelope.plan ? undefined : assemble({ ...question, budgetMs: ASSEMBLY_MS, clock: this.clock });
    const draft = envelope.plan ?? assembly?.draft;
    const notes = [...found, ...(assembly?.diagnostics ?? [])];
    if (!draft) return { valid: false, errors: [], diagnostics: notes };
    const { plan, diagnostics } = validateDraft(question, draft, {
      selections: assembly?.selections,
      attempts: 1,
      proven: assembly?.proven,
      cause: { kind: 'initial' },
    });
    return { valid: plan !== undefined, errors: [], diagnostics: distinct([...notes, ...diagnostics]), plan };
  }
}

const distinct = (diagnostics: PlannerDiagnostic[]): PlannerDiagnostic[] => [
  ...new Map(diagnostics.map((diagnostic) => [JSON.stringify(diagnostic), diagnostic])).values(),
];
