import { readFileSync } from 'node:fs';
import {
  noPolicies,
  type Capability,
  type Facet,
  type NormalizedPolicies,
  type Policies,
  type RegisteredCapability,
  type RegistrySnapshot,
  type TaskEnvelope,
} from '@flex/contracts';
import { normalizePolicies } from '../policies/normalize-policies.js';
import { validateDraft } from '../validation/validate-draft.js';
import { assemble, type Assembly, type AssemblyQuestion } from './assemble.js';

// Support for the specs of this folder; has no tests of its own.

const examples = new URL('../../../../examples/', import.meta.url);
const read = <T>(path: string): T => JSON.parse(readFileSync(new URL(path, examples), 'utf8')) as T;

export const seedFacets = read<Facet[]>('catalog/facets.json');
export const seedCapabilities = read<Capability[]>('catalog/capabilities.json');
export const example = (name: string): TaskEnvelope => read<TaskEnvelope>(`${name}.json`);

export function snapshotOf(
  capabilities: readonly (Capability & Partial<RegisteredCapability>)[] = seedCapabilities,
  facets: readonly Facet[] = seedFacets,
): RegistrySnapshot {
  return {
    revision: 7,
    facets: new Map(facets.map((facet) => [facet.name, facet])),
    capabilities: new Map(capabilities.map((one) => [one.capabilityId, { status: 'active' as const, ...one }])),
  };
}

export function policiesOf(policies: Policies | undefined): NormalizedPolicies {
  if (policies === undefined) return noPolicies();
  const result = normalizePolicies(policies);
  if (result.policies === undefined) throw new Error(JSON.stringify(result.diagnostics));
  return result.policies;
}

/** Assembles a plan without a limit of time, and puts it through the validation that every draft passes. */
export function planFor(
  envelope: TaskEnvelope,
  snapshot: RegistrySnapshot = snapshotOf(),
  more: Partial<AssemblyQuestion> = {},
): Assembly & { validated: ReturnType<typeof validateDraft> | undefined } {
  const policies = policiesOf(envelope.policies);
  const assembly = assemble({ envelope, policies, snapshot, budgetMs: 1000, clock: () => 0, ...more });
  const question = { runId: 'run', tenant: 'default', envelope, policies, snapshot };
  const origin = { selections: assembly.selections, attempts: 1, cause: { kind: 'initial' as const } };
  return { ...assembly, validated: assembly.draft && validateDraft(question, assembly.draft, origin) };
}

/** A plan's graph at a glance: nodes by kind, edges with facets. */
export function outline({ draft }: Assembly): string[] {
  return [
    ...(draft?.nodes ?? []).map((node) => {
      const who =
        node.capabilityId ?? (node.derivedFrom === undefined ? '' : `like ${node.derivedFrom} (${node.coverage})`);
      const next = node.fallback === undefined ? '' : ` | then ${node.fallback.join(', ')}`;
      return `${node.kind} ${node.id}${who === '' || who === node.id ? '' : ` = ${who}`}: ${node.inputFacets.join(', ')} -> ${node.outputFacets.join(', ')}${next}`;
    }),
    ...(draft?.edges ?? []).map(
      (edge) => `${edge.from} -> ${edge.to} [${(edge.facets ?? []).join(', ')}]${edge.condition === undefined ? '' : ` if ${JSON.stringify(edge.condition)}`}`, // prettier-ignore
    ),
  ];
}
