import type { EventData, PlanDelta, PlannerDiagnostic, PlannerDraft, RegistrySnapshot } from '@flex/contracts';
import { capabilitiesOf, facetsOf, rankCapabilities, wantedFacets } from './relevance.js';
import {
  capabilitiesSection,
  constraintsSection,
  contractSection,
  describeCapability,
  describeFacet,
  diagnosticsSection,
  facetsSection,
  inputsSection,
  objectiveSection,
  policiesSection,
  replanSection,
  startingPointSection,
  systemText,
  taskSection,
} from './prompt-sections.js';
import { estimateTokens } from './token-estimate.js';

type PlanRequest = EventData<'plan.requested'>;

export interface PromptMaterial {
  request: PlanRequest;
  snapshot: RegistrySnapshot;
  /** What the assembler made of the same request. */
  deterministic: { draft?: PlannerDraft; delta?: PlanDelta; diagnostics: readonly PlannerDiagnostic[] };
  /** Upper bound for the whole prompt, by our estimate. */
  tokenBudget: number;
}

export interface Prompt {
  system: string;
  user: string;
  tokens: number;
  /** Capabilities that the prompt shows, and those that the budget left out. */
  shown: string[];
  omitted: string[];
}

/** Shares of the budget that the parts which can be cut may take at most; capabilities and facets get what is left. */
const SHARE = { inputs: 0.15, startingPoint: 0.2, replan: 0.2, text: 0.1, facets: 0.35 };

/**
 * The prompt for one attempt: labelled sections, texts of others fenced as data, within the token budget. The least relevant
 * capabilities go first, then facets that no shown capability uses; objective, contract and policies always stay.
 */
export function buildPrompt({ request, snapshot, deterministic, tokenBudget }: PromptMaterial): Prompt {
  const share = (part: keyof typeof SHARE): number => Math.floor(tokenBudget * SHARE[part]);
  const head = [
    objectiveSection(request, share('text')),
    constraintsSection(request, share('text')),
    contractSection(request, share('text')),
    policiesSection(request, share('text')),
    inputsSection(request, share('inputs')),
  ];
  const tail = [
    replanSection(request, share('replan')),
    startingPointSection(deterministic, share('startingPoint')),
    diagnosticsSection(request, share('text')),
    taskSection(request),
  ];
  const fixed = (parts: (string | undefined)[]): string => parts.filter((part) => part !== undefined).join('\n\n');
  const before = fixed(head);
  const after = fixed(tail);

  let left =
    tokenBudget - estimateTokens(systemText) - estimateTokens(before) - estimateTokens(after) - SECTION_OVERHEAD;
  const ranked = rankCapabilities(request, snapshot, deterministic, wantedFacets(request, deterministic));
  const needed = new Set(capabilitiesOf(deterministic));
  const forFacets = Math.floor(Math.max(0, left) * SHARE.facets);
  const capabilities = takeWhileFits(ranked, describeCapability, left - forFacets, ({ capabilityId }) =>
    needed.has(capabilityId),
  );
  left -= capabilities.tokens;
  const facets = takeWhileFits(facetsOf(capabilities.taken, request, snapshot), describeFacet, left, () => false);

  const user = [
    before,
    capabilitiesSection(capabilities.texts, ranked.length - capabilities.taken.length),
    facetsSection(facets.texts, facets.left),
    after,
  ].join('\n\n');
  return {
    system: systemText,
    user,
    tokens: estimateTokens(systemText) + estimateTokens(user),
    shown: capabilities.taken.map(({ capabilityId }) => capabilityId),
    omitted: ranked.filter((each) => !capabilities.taken.includes(each)).map(({ capabilityId }) => capabilityId),
  };
}

/** Titles, fences and remarks around the capabilities and facets. */
const SECTION_OVERHEAD = 160;

/** The first items whose texts fit together; an item that must be there is taken even when it no longer fits. */
function takeWhileFits<T>(
  items: readonly T[],
  describe: (item: T) => string,
  tokens: number,
  must: (item: T) => boolean,
) {
  const taken: T[] = [];
  const texts: string[] = [];
  let used = 0;
  let full = false;
  for (const item of items) {
    if (full && !must(item)) continue;
    const text = describe(item);
    const cost = estimateTokens(text) + 1;
    if (used + cost > tokens && !must(item)) {
      full = true;
      continue;
    }
    taken.push(item);
    texts.push(text);
    used += cost;
  }
  return { taken, texts, tokens: used, left: items.length - taken.length };
}
