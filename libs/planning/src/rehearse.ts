import type { RegistrySnapshot, TaskEnvelope, ValidationIssue } from '@flex/contracts';
import { assemble } from './assembly/assemble.js';
import { validatorFor } from './facets/validators.js';
import { normalizePolicies } from './policies/normalize-policies.js';
import { validateEnvelope } from './validation/validate-envelope.js';
import { validateDraft } from './validation/validate-draft.js';

/** Judges an envelope with everything that one may have, so that the first real one finds the validators compiled. */
export function rehearseEnvelope(): ValidationIssue[] {
  const outputContract: TaskEnvelope['outputContract'] = { mode: 'json_schema', schema: { type: 'object' } };
  const policies = {
    planner: { topology: { variantCount: 1 } },
    runtime: [{ id: 'rehearsal', trigger: { kind: 'onStart' }, action: { type: 'pause', reason: 'A rehearsal' } }],
  };
  return validateEnvelope({ objective: 'A rehearsal', outputContract, policies });
}

/** Different outputs take different ways through the code. */
const PIECES = 3;
const BUDGET_MS = 50;

/**
 * Plans a few things that the registry can make, for nobody: what the engine compiles on the way, the first real plan
 * need not wait for. Says how many plans came of it.
 */
export function rehearse(snapshot: RegistrySnapshot, clock: () => number): number {
  const active = [...snapshot.capabilities.values()].filter(({ status }) => status === 'active');
  const made = new Set(active.flatMap(({ outputFacets }) => outputFacets));
  const wanted = new Set(active.flatMap(({ inputFacets }) => inputFacets.map(({ facet }) => facet)));
  // What nobody makes is brought along.
  const inputs = Object.fromEntries([...wanted].filter((facet) => !made.has(facet)).map((facet) => [facet, {}]));
  let plans = 0;
  // Longer chains come last in most catalogues.
  for (const facet of [...made].reverse().slice(0, PIECES)) {
    const envelope: TaskEnvelope = {
      objective: 'A rehearsal',
      inputs,
      outputContract: { mode: 'facets', facets: [facet] },
    };
    const { policies } = normalizePolicies(undefined, { outputContract: envelope.outputContract });
    const question = { runId: 'rehearsal', tenant: 'default', envelope, policies: policies!, snapshot };
    const { draft, selections, proven } = assemble({ ...question, budgetMs: BUDGET_MS, clock });
    if (!draft) continue;
    const { plan } = validateDraft(question, draft, { selections, attempts: 1, proven, cause: { kind: 'initial' } });
    for (const { inputSchema, outputSchema } of plan?.nodes ?? [])
      for (const schema of [inputSchema, outputSchema]) validatorFor(schema)({});
    if (plan) plans += 1;
  }
  return plans;
}
