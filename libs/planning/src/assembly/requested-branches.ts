import type { Branch, Json, RegistrySnapshot } from '@flex/contracts';

/** A facet with this tag holds a list of directions, each of which is to become a branch of the plan. */
export const BRANCHES_TAG = 'branches';
const MOST = 24;

/**
 * The branches that a node's output asks for: the items of every facet tagged `branches`, by `id` or by the words of `label`
 * (or `title`). Items without a label are left out.
 */
export function requestedBranches(snapshot: RegistrySnapshot, outputs: Readonly<Record<string, Json>>): Branch[] {
  const branches = new Map<string, Branch>();
  for (const [name, value] of Object.entries(outputs)) {
    if (snapshot.facets.get(name)?.tags?.includes(BRANCHES_TAG) !== true || !Array.isArray(value)) continue;
    for (const item of value) {
      if (item === null || typeof item !== 'object' || Array.isArray(item)) continue;
      const label = text(item.label) ?? text(item.title);
      if (label === undefined || branches.size >= MOST) continue;
      const id = idOf(text(item.id) ?? label);
      const rationale = text(item.rationale);
      const { inputs } = item;
      branches.set(id, {
        id,
        label: label.slice(0, 200),
        ...(rationale === undefined ? {} : { rationale: rationale.slice(0, 2000) }),
        ...(inputs !== null && typeof inputs === 'object' && !Array.isArray(inputs) ? { inputs } : {}),
      });
    }
  }
  return [...branches.values()];
}

const text = (value: Json | undefined): string | undefined =>
  typeof value === 'string' && value.trim() !== '' ? value.trim() : undefined;

const idOf = (name: string): string =>
  name
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .replaceAll(/^-|-$/g, '')
    .slice(0, 60) || 'branch';
