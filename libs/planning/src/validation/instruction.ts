import type { Branch, DraftNode, Facet, RegisteredCapability, RegistrySnapshot } from '@flex/contracts';
import { isEngineNode } from './capability-use.js';
import { indexSnapshot } from './snapshot-index.js';
import type { PlanningQuestion } from './planning-question.js';

/** What a branch says to those who work in it. */
export type BranchText = Pick<Branch, 'id' | 'label' | 'rationale' | 'inputs'>;

/**
 * What the one who executes a node is told, in sections: the capability's standing instructions, the guidance of the
 * facets concerned, this node's own task, its branch, and what the client asked for throughout. Engine nodes are told
 * nothing but their own.
 */
export function instructionOf(
  draft: DraftNode,
  capability: RegisteredCapability | undefined,
  reads: readonly string[],
  branch: BranchText | undefined,
  question: PlanningQuestion,
): string {
  if (isEngineNode(draft)) return draft.instruction ?? '';
  const sections = [
    capability?.instructions ?? '',
    facetGuidance(question.snapshot, reads, draft.outputFacets),
    draft.instruction ?? '',
    branch === undefined ? '' : `Branch "${branch.label}"${branch.rationale ? `: ${branch.rationale}` : ''}`,
    wishes(question),
  ];
  return sections.filter((section) => section !== '').join('\n\n');
}

const guidance = new WeakMap<RegistrySnapshot, Map<string, string>>();

function facetGuidance(snapshot: RegistrySnapshot, reads: readonly string[], writes: readonly string[]): string {
  let cache = guidance.get(snapshot);
  if (cache === undefined) guidance.set(snapshot, (cache = new Map()));
  const key = `${reads.join(',')} ${writes.join(',')}`;
  let text = cache.get(key);
  if (text === undefined) {
    const { ancestors } = indexSnapshot(snapshot);
    const about = (names: readonly string[], verb: string) =>
      names.flatMap((name) => {
        // A specialisation without guidance of its own inherits it.
        const facet = ancestors(name)
          .map((ancestor) => snapshot.facets.get(ancestor))
          .find((candidate) => candidate?.semantics !== undefined);
        return facet === undefined
          ? []
          : [`${verb} ${snapshot.facets.get(name)?.title ?? name}: ${semanticsText(facet)}`];
      });
    cache.set(key, (text = [...about(reads, 'Input'), ...about(writes, 'Output')].join('\n')));
  }
  return text;
}

function semanticsText({ semantics }: Facet): string {
  if (semantics === undefined) return '';
  if (typeof semantics === 'string') return semantics;
  const { summary, instruction, checkpoints } = semantics;
  return [
    ...(summary ? [summary] : []),
    instruction,
    ...(checkpoints ?? []).map((checkpoint) => `- ${checkpoint}`),
  ].join('\n');
}

const wishTexts = new WeakMap<PlanningQuestion, string>();

/** What the envelope and its policies ask of every node. */
function wishes(question: PlanningQuestion): string {
  let text = wishTexts.get(question);
  if (text === undefined) {
    const { envelope, policies } = question;
    const { variantCount } = policies.planner.topology;
    const lines = [
      ...(variantCount === undefined ? [] : [`Number of variants: exactly ${variantCount}.`]),
      ...policies.planner.directives,
      ...(envelope.specialInstructions ?? []),
      ...(envelope.outputContract.mode === 'freeform' ? [envelope.outputContract.instructions] : []),
    ];
    wishTexts.set(question, (text = lines.join('\n')));
  }
  return text;
}
