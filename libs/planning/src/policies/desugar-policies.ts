type Loose = Record<string, unknown>;
const isRecord = (value: unknown): value is Loose =>
  value !== null && typeof value === 'object' && !Array.isArray(value);

/** Writes the short form of a trigger, its bare name, as `{"kind": name}`. Whatever else is wrong stays, for the schema to refuse. */
export function desugarPolicies(policies: unknown): unknown {
  if (!isRecord(policies) || !Array.isArray(policies['runtime'])) return policies;
  return { ...policies, runtime: policies['runtime'].map(desugarPolicy) };
}

function desugarPolicy(policy: unknown): unknown {
  if (!isRecord(policy) || typeof policy['trigger'] !== 'string') return policy;
  return { ...policy, trigger: { kind: policy['trigger'] } };
}
