import type { RegisteredCapability } from './capability.js';
import type { Facet } from './facet.js';

/**
 * The registry as one tenant sees it (its own entries before the shared ones of `default`), at one revision.
 * Immutable: identity may be used as cache key.
 */
export interface RegistrySnapshot {
  /** Sequence of the last change in the live bucket; recorded in every plan that was made from the snapshot. */
  revision: number;
  facets: ReadonlyMap<string, Facet>;
  capabilities: ReadonlyMap<string, RegisteredCapability>;
}
