import type { NormalizedPolicies, ScoreBreakdown } from '@flex/contracts';

export type Objective = NonNullable<NormalizedPolicies['planner']['optimisation']['objective']>;
export type Weights = Readonly<Record<keyof ScoreBreakdown, number>>;

/** How capabilities are judged. Weights are relative: a score is their weighted mean, 0..1. */
export interface SelectionSettings {
  readonly weights: Weights;
  /** Below it a capability is too weak to be trusted: a person confirms, or does the work. */
  readonly threshold: number;
  /** Added for `selection.prefer`, taken off for `selection.avoid`. */
  readonly preferBonus: number;
  readonly avoidPenalty: number;
  /** What an objective changes in the weights. */
  readonly objectives: Readonly<Record<Objective, Partial<Weights>>>;
}

/**
 * Facets and content type weigh most: they say whether a capability does the work at all. Health is 1 for nearly all;
 * it weighs as much as a channel, so that whoever fails all the time gives way to somebody healthy who is a little less suited. The threshold lies where a capability that was made for another channel and another content type falls below, and one that just
 * says nothing about itself stays above.
 */
export const defaultSelection: SelectionSettings = {
  weights: {
    facetAlignment: 0.3,
    contentType: 0.2,
    language: 0.15,
    channel: 0.15,
    strengths: 0.1,
    cost: 0.05,
    health: 0.15,
  },
  threshold: 0.64,
  preferBonus: 0.2,
  avoidPenalty: 0.3,
  objectives: {
    speed: { cost: 0.4 },
    token_efficiency: { cost: 0.4 },
    quality: { strengths: 0.35, contentType: 0.25, cost: 0.15 },
    diversity: { strengths: 0.2 },
  },
};

export function weightsFor(settings: SelectionSettings, objective: Objective | undefined): Weights {
  return objective === undefined ? settings.weights : { ...settings.weights, ...settings.objectives[objective] };
}
