import type { DraftNode, PlanDelta, Selection } from '@flex/contracts';
import type { Proposal } from './plan-answer.js';

/**
 * Why a capability that a model chose: as the assembler scored it, when it chose the same one or considered it. A model says
 * nothing about scores, so what the assembler never looked at has none.
 */
export function modelSelections(
  chosen: Pick<Proposal, 'draft' | 'delta'>,
  deterministic: Proposal,
): Record<string, Selection> | undefined {
  const scored = scoredCapabilities(deterministic);
  const selections: Record<string, Selection> = {};
  for (const { id, capabilityId, derivedFrom } of nodesOf(chosen)) {
    const selection = scored.get(capabilityId ?? derivedFrom ?? '');
    if (selection) selections[id] = selection;
  }
  return Object.keys(selections).length > 0 ? selections : undefined;
}

/** Every capability that the assembler scored, as if it had been the one chosen. */
function scoredCapabilities(deterministic: Proposal): Map<string, Selection> {
  const scored = new Map<string, Selection>();
  const chosen = nodesOf(deterministic).flatMap(({ id, capabilityId, derivedFrom }) => {
    const selection = deterministic.selections?.[id];
    const capability = capabilityId ?? derivedFrom;
    return selection && capability ? [{ capability, selection }] : [];
  });
  for (const { capability, selection } of chosen) scored.set(capability, selection);
  for (const { capability, selection } of chosen) {
    const { score, breakdown, threshold, runnersUp } = selection;
    const field = [{ capabilityId: capability, score, breakdown }, ...runnersUp];
    for (const runner of runnersUp) {
      if (!runner.breakdown || scored.has(runner.capabilityId)) continue;
      scored.set(runner.capabilityId, {
        score: runner.score,
        breakdown: runner.breakdown,
        threshold,
        runnersUp: field.filter((other) => other.capabilityId !== runner.capabilityId),
      });
    }
  }
  return scored;
}

const nodesOf = ({ draft, delta }: Pick<Proposal, 'draft' | 'delta'>): DraftNode[] => [
  ...(draft?.nodes ?? []),
  ...((delta as PlanDelta | undefined)?.operations ?? []).flatMap((operation) =>
    'node' in operation ? operation.node : [],
  ),
];
