import type { Json } from '@flex/contracts';

/**
 * The one value of a facet that several nodes produced: parallel branches that join, or alternatives of which one ran.
 * Pass the values of those that completed, in the order of the node's `provenance`. Lists are concatenated; of other
 * values the last counts.
 */
export function joinValues(values: readonly Json[]): Json | undefined {
  if (values.length < 2) return values[0];
  if (values.every(Array.isArray)) return (values as Json[][]).flat();
  return values.at(-1);
}
