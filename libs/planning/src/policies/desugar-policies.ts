import { actionTypes, triggerKinds } from '@flex/contracts';

type Loose = Record<string, unknown>;
const isRecord = (value: unknown): value is Loose => value !== null && typeof value === 'object' && !Array.isArray(value);

/**
 * Brings the short ways of writing a trigger or action into the long one: `"onStart"` and `{"onTimeout": {"ms": 100}}`
 * become `{"kind": …}`, `"replan"` and `{"goto": {"next": …}}` become `{"type": …}`. Whatever else is wrong stays as it is, for the
 * schema to refuse.
 */
export function desugarPolicies(policies: unknown): unknown {
  if (!isRecord(policies)) return policies;
  const { runtime, budget } = policies;
  return {
    ...policies,
    ...(Array.isArray(runtime) ? { runtime: runtime.map(desugarPolicy) } : {}),
    ...(isRecord(budget) && 'action' in budget ? { budget: { ...budget, action: desugarAction(budget['action']) } } : {}),
  };
}

function desugarPolicy(policy: unknown): unknown {
  if (!isRecord(policy)) return policy;
  return {
    ...policy,
    ...('trigger' in policy ? { trigger: tagged(policy['trigger'], 'kind', triggerKinds) } : {}),
    ...('action' in policy ? { action: desugarAction(policy['action']) } : {}),
  };
}

function desugarAction(action: unknown, depth = 0): unknown {
  const long = tagged(action, 'type', actionTypes);
  if (!isRecord(long) || depth > 20) return long;
  const nested = Object.fromEntries(
    ['approveAction', 'rejectAction'].filter((name) => name in long).map((name) => [name, desugarAction(long[name], depth + 1)]),
  );
  return { ...long, ...nested };
}

function tagged(value: unknown, tag: string, known: readonly string[]): unknown {
  if (typeof value === 'string') return { [tag]: value };
  if (!isRecord(value) || tag in value) return value;
  const names = Object.keys(value);
  const [only] = names;
  const parts = value[only ?? ''];
  return names.length === 1 && known.includes(only!) && isRecord(parts) ? { [tag]: only, ...parts } : value;
}
