import type { Json, JsonSchema } from '@flex/contracts';
import type { Inputs } from '@flex/worker-sdk';
import { writeCopy } from './copywriting.js';
import { fitToSchema } from './fit-to-schema.js';
import { review } from './review.js';
import { direct, strategise } from './strategy.js';
import { objectOf } from './words.js';

type Craft = (inputs: Inputs, instruction: string) => Record<string, Json>;

/** Output facet -> who makes it. Chosen by what a capability produces, so that a catalogue may name its agents freely. */
const crafts: Record<string, Craft> = {
  writerBrief: strategise,
  planKnobs: strategise,
  strategicRationale: strategise,
  creativeDirections: direct,
  copyVariants: writeCopy,
  qaFindings: review,
  recommendationSet: review,
};

export interface Task {
  inputs: Inputs;
  instruction: string;
  outputFacets: readonly string[];
  /** Under the facets' names. */
  outputSchema: JsonSchema | undefined;
}

/**
 * Deterministic content: the same inputs give the same outputs. A facet that no craft makes (a transformer's) is made
 * from the inputs that have the same shape.
 */
export function perform({ inputs, instruction, outputFacets, outputSchema }: Task): Record<string, Json> {
  const made: Record<string, Json> = {};
  const done = new Set<Craft>();
  for (const facet of outputFacets) {
    const craft = crafts[facet];
    if (!craft || done.has(craft)) continue;
    done.add(craft);
    Object.assign(made, craft(inputs, instruction));
  }
  const properties = objectOf(outputSchema as Json)['properties'] as Record<string, JsonSchema> | undefined;
  return Object.fromEntries(
    outputFacets.map((facet): [string, Json] => [
      facet,
      fitToSchema(made[facet] ?? reshaped(inputs, properties?.[facet]), properties?.[facet]),
    ]),
  );
}

/** The members of all inputs together: what a transformation that says nothing more can draw from. */
function reshaped(inputs: Inputs, schema: JsonSchema | undefined): Json | undefined {
  if (typeof schema !== 'object') return undefined;
  const values = Object.values(inputs).filter((value) => value !== undefined);
  if (schema['type'] === 'array') return values.find((value) => Array.isArray(value));
  if (schema['type'] === 'object') return Object.assign({}, inputs, ...values.map((value) => objectOf(value))) as Json;
  return values.find((value) => typeof value === schema['type']);
}
