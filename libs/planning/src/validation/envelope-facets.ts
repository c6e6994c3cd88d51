import type { Json, RegistrySnapshot, TaskEnvelope } from '@flex/contracts';
import { indexSnapshot } from './snapshot-index.js';

/**
 * The envelope's inputs by facet: an input belongs to the facet of its name, else to the facet with that property key.
 * Inputs that belong to no facet keep their own name: they are free data that mappings and conditions may read.
 */
export function envelopeFacets(envelope: Pick<TaskEnvelope, 'inputs'>, snapshot: RegistrySnapshot): Map<string, Json> {
  const index = indexSnapshot(snapshot);
  const values = new Map<string, Json>();
  for (const [key, value] of Object.entries(envelope.inputs ?? {})) {
    const name = index.facetOfInput(key)?.name ?? key;
    if (name === key || !values.has(name)) values.set(name, value);
  }
  return values;
}
