import type { NormalizedPolicies, RegisteredCapability, ScoreBreakdown } from '@flex/contracts';
import { weightsFor, type Objective, type SelectionSettings } from './selection-settings.js';
import { normal, textWords, type WantedTraits } from './wanted-traits.js';

export interface Score {
  /** Weighted mean of the breakdown, with preference; 0..1, rounded to four places so that it reads the same everywhere. */
  readonly score: number;
  readonly breakdown: ScoreBreakdown;
}

/** What a capability is judged for. */
export interface ScoreQuestion {
  readonly wanted: WantedTraits;
  readonly policies: NormalizedPolicies;
  readonly settings: SelectionSettings;
  /** Whether a facet that it writes is of use to the plan. */
  readonly isUseful: (facet: string) => boolean;
  /** Whether a facet that it reads can be had. */
  readonly isAvailable: (facet: string) => boolean;
  /** The dearest and slowest of those that it competes with; what is unknown counts as middling. */
  readonly range: CostRange;
}

export interface CostRange {
  readonly maxTokens: number;
  readonly maxMs: number;
  readonly maxPrice: number;
}

const TIERS: Readonly<Record<string, number>> = { free: 1, low: 0.9, economy: 0.9, standard: 0.7, medium: 0.7, high: 0.4, premium: 0.3 }; // prettier-ignore

export function scoreCapability(capability: RegisteredCapability, question: ScoreQuestion): Score {
  const { wanted, policies, settings } = question;
  const { objective } = policies.planner.optimisation;
  const traits = capability.traits ?? {};
  const breakdown: ScoreBreakdown = {
    facetAlignment: facetAlignment(capability, question),
    language: fit(traits.languages, wanted.languages, sameLanguage),
    channel: fit(traits.channels, wanted.channels),
    contentType: fit(traits.contentTypes, wanted.contentTypes),
    cost: costFit(capability, question, objective),
    strengths: strengthFit(capability, wanted, objective),
    health: capability.health ?? 1,
  };
  const weights = weightsFor(settings, objective);
  let sum = 0;
  let total = 0;
  for (const key of Object.keys(weights) as (keyof ScoreBreakdown)[]) {
    sum += weights[key] * breakdown[key];
    total += weights[key];
    breakdown[key] = rounded(breakdown[key]);
  }
  const { prefer, avoid } = policies.planner.selection;
  const preference =
    (prefer.includes(capability.capabilityId) ? settings.preferBonus : 0) -
    (avoid.includes(capability.capabilityId) ? settings.avoidPenalty : 0);
  return { score: rounded(Math.min(1, Math.max(0, (total === 0 ? 0 : sum / total) + preference))), breakdown };
}

const rounded = (value: number): number => Math.round(value * 1e4) / 1e4;

/** Mostly what of its output the plan can use, partly how much of its optional input there is. */
function facetAlignment(capability: RegisteredCapability, { isUseful, isAvailable }: ScoreQuestion): number {
  const outputs = capability.outputFacets;
  const useful = outputs.length === 0 ? 0 : outputs.filter(isUseful).length / outputs.length;
  const optional = capability.inputFacets.filter((input) => input.required === false);
  const present =
    optional.length === 0 ? 1 : optional.filter((input) => isAvailable(input.facet)).length / optional.length;
  return 0.8 * useful + 0.2 * present;
}

/** 1: it says that it does what is wanted, or nothing is wanted; 0.6: it says nothing; 0: it is for something else. */
function fit(
  offered: readonly string[] | undefined,
  wanted: ReadonlySet<string>,
  same: (offered: string, wanted: string) => boolean = (a, b) => a === b,
): number {
  if (wanted.size === 0) return 1;
  if (offered === undefined || offered.length === 0) return 0.6;
  const values = offered.map(normal);
  if (values.includes('any') || values.includes('*')) return 0.9;
  let met = 0;
  for (const value of wanted) if (values.some((own) => same(own, value))) met += 1;
  return met / wanted.size;
}

/** `en` speaks `en-US`, and the other way round. */
const sameLanguage = (a: string, b: string): boolean => a === b || a.startsWith(`${b}-`) || b.startsWith(`${a}-`);

/**
 * Cheap, fast or frugal, as the objective wants it: tokens for token_efficiency, time for speed, the better tier for quality, else
 * all together. What doesn't fit the policy's limits scores 0.
 */
function costFit(
  { cost }: RegisteredCapability,
  { policies, range }: ScoreQuestion,
  objective: Objective | undefined,
): number {
  const { maxTokens, maxCost } = policies.planner.optimisation;
  const tokens = cost?.estimatedTokens;
  const price =
    tokens === undefined || cost?.pricePer1kTokens === undefined ? undefined : (tokens / 1000) * cost.pricePer1kTokens;
  if (maxTokens !== undefined && tokens !== undefined && tokens > maxTokens) return 0;
  if (maxCost !== undefined && price !== undefined && price > maxCost) return 0;
  const low = (value: number | undefined, most: number): number =>
    value === undefined || most <= 0 ? 0.5 : 1 - (0.9 * Math.min(value, most)) / most;
  const tier = TIERS[cost?.tier?.toLowerCase() ?? ''] ?? 0.5;
  if (objective === 'token_efficiency') return low(tokens, range.maxTokens);
  if (objective === 'speed') return low(cost?.estimatedMs, range.maxMs);
  if (objective === 'quality') return 1 - tier;
  return (low(tokens, range.maxTokens) + low(cost?.estimatedMs, range.maxMs) + low(price, range.maxPrice) + tier) / 4;
}

/** How its strengths meet the task's words, less its limitations; for quality the claim itself counts too. */
function strengthFit(
  { traits }: RegisteredCapability,
  { words }: WantedTraits,
  objective: Objective | undefined,
): number {
  const meets = (claims: readonly string[] | undefined): number =>
    (claims ?? []).filter((claim) => textWords(claim).some((word) => word.length > 3 && words.has(word))).length;
  const strong = meets(traits?.strengths);
  const weak = meets(traits?.limitations);
  const claimed = Math.min(traits?.strengths?.length ?? 0, 4);
  const base = objective === 'quality' ? 0.3 + claimed * 0.1 : 0.5;
  return Math.min(1, Math.max(0, base + 0.25 * strong - 0.25 * weak));
}

/** The widest costs among candidates, for comparison. */
export function costRange(capabilities: Iterable<RegisteredCapability>): CostRange {
  let maxTokens = 0;
  let maxMs = 0;
  let maxPrice = 0;
  for (const { cost } of capabilities) {
    maxTokens = Math.max(maxTokens, cost?.estimatedTokens ?? 0);
    maxMs = Math.max(maxMs, cost?.estimatedMs ?? 0);
    maxPrice = Math.max(maxPrice, ((cost?.estimatedTokens ?? 0) / 1000) * (cost?.pricePer1kTokens ?? 0));
  }
  return { maxTokens, maxMs, maxPrice };
}
