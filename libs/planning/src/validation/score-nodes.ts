import type { DraftNode, RegisteredCapability, Selection } from '@flex/contracts';
import { costRange, scoreCapability, type Score, type ScoreQuestion } from '../selection/score-capability.js';
import { defaultSelection } from '../selection/selection-settings.js';
import { wantedTraits } from '../selection/wanted-traits.js';
import type { PlanningQuestion } from './planning-question.js';
import { indexSnapshot } from './snapshot-index.js';

const RUNNERS_UP = 3;
/** Capabilities that write the same facet and are compared at most; the others are too many to be of use to a reader. */
const COMPARED = 200;

export type Scorer = (node: DraftNode, capability: RegisteredCapability) => Selection;

/**
 * Scores capabilities that somebody else chose (a model, a client, an operator) by the same measure as the assembler's own,
 * so that every node tells why, and who else could have done it. Begins its work with the first node that asks.
 */
export function nodeScorer(
  question: PlanningQuestion,
  isUseful: (facet: string) => boolean,
  isAvailable: (facet: string) => boolean,
): Scorer {
  const { envelope, policies, snapshot } = question;
  const scores = new Map<RegisteredCapability, Score>();
  const selections = new Map<string, Selection>();
  let asked: ScoreQuestion | undefined;
  const score = (capability: RegisteredCapability): Score => {
    asked ??= {
      wanted: wantedTraits(envelope, policies, snapshot.capabilities.values()),
      policies,
      settings: defaultSelection,
      isUseful,
      isAvailable,
      range: costRange(snapshot.capabilities.values()),
    };
    let known = scores.get(capability);
    if (known === undefined) scores.set(capability, (known = scoreCapability(capability, asked)));
    return known;
  };
  return (node, capability) => {
    const key = `${capability.capabilityId} ${node.outputFacets.join(',')}`;
    let selection = selections.get(key);
    if (selection === undefined) {
      const runnersUp = rivalsOf(node, capability, question)
        .map((rival) => ({ capabilityId: rival.capabilityId, ...score(rival) }))
        .sort((a, b) => b.score - a.score || (a.capabilityId < b.capabilityId ? -1 : 1))
        .slice(0, RUNNERS_UP);
      selection = { ...score(capability), threshold: defaultSelection.threshold, runnersUp };
      selections.set(key, selection);
    }
    return selection;
  };
}

/** Other capabilities of the kind that write all that the node writes. */
function rivalsOf(
  node: DraftNode,
  chosen: RegisteredCapability,
  { snapshot, policies }: PlanningQuestion,
): RegisteredCapability[] {
  const [first, ...rest] = node.outputFacets;
  if (first === undefined) return [];
  const index = indexSnapshot(snapshot);
  const writes = (rival: RegisteredCapability, facet: string) =>
    rival.outputFacets.some((output) => index.ancestors(output).includes(facet));
  return index
    .producers(first)
    .filter(
      (rival) =>
        rival !== chosen &&
        rival.kind === chosen.kind &&
        !policies.planner.selection.forbid.includes(rival.capabilityId) &&
        rest.every((facet) => writes(rival, facet)),
    )
    .slice(0, COMPARED);
}
