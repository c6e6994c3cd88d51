import type { RecentCalls, RegisteredCapability } from '@flex/contracts';

/** After this long a call counts half. */
const HALF_LIFE_MS = 5 * 60_000;
/** About this many of the last calls count, however many there are in that time: health follows a change soon. */
const MEMORY_CALLS = 50;
/** Good calls that everybody is credited with: one failure among few calls is no verdict. */
const CREDIT_CALLS = 3;
/** The loss of all heartbeats weighs as much as this many failed calls. */
const LOSS_CALLS = 3;
/** Smaller changes of health are not told: each one is a new revision of the registry. */
const MATERIAL = 0.05;

type Counts = Pick<RecentCalls, 'succeeded' | 'failed'>;

/** Older calls fade by age, and make room for the new ones. `now` in milliseconds since the epoch. */
export function withCalls(before: RecentCalls | undefined, { succeeded, failed }: Counts, now: number): RecentCalls {
  const incoming = succeeded + failed;
  const shrink = incoming > MEMORY_CALLS ? MEMORY_CALLS / incoming : 1;
  const known = (before?.succeeded ?? 0) + (before?.failed ?? 0);
  const aged = before ? 2 ** (-Math.max(0, now - before.at) / HALF_LIFE_MS) : 0;
  const keep = known === 0 ? 0 : Math.min(aged, (MEMORY_CALLS - incoming * shrink) / known);
  return {
    succeeded: rounded((before?.succeeded ?? 0) * keep + succeeded * shrink),
    failed: rounded((before?.failed ?? 0) * keep + failed * shrink),
    at: Math.max(now, before?.at ?? 0),
  };
}

/** (credit + succeeded) / (credit + succeeded + failed), 0..1. */
export function healthOf({ succeeded, failed }: Counts): number {
  return Math.round(((CREDIT_CALLS + succeeded) / (CREDIT_CALLS + succeeded + failed)) * 100) / 100;
}

export type Health = Pick<RegisteredCapability, 'health' | 'calls'>;

/**
 * Health after further calls, and after the time that has passed: undefined while it is about what is known already.
 * Who gets well again is well in the end, not nearly.
 */
export function nextHealth(
  { health = 1, calls }: Health,
  more: Counts | undefined,
  now: number,
): Required<Health> | undefined {
  const next = withCalls(calls, more ?? { succeeded: 0, failed: 0 }, now);
  const value = healthOf(next);
  if (Math.abs(value - health) < MATERIAL && !(value === 1 && health < 1)) return undefined;
  return { health: value, calls: next };
}

/** Nobody was there any more, and nobody had said goodbye. */
export function healthAfterLoss({ calls }: Health, now: number): Required<Health> {
  const next = withCalls(calls, { succeeded: 0, failed: LOSS_CALLS }, now);
  return { health: healthOf(next), calls: next };
}

const rounded = (weight: number): number => Math.round(weight * 1000) / 1000;
