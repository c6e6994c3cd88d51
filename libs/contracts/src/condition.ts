import { Type, type Json } from './schema.js';

/** A condition as JSON Logic. */
export type JsonLogic = Json;

/**
 * A condition as users write it: JSON Logic, or the small text form
 * (`facets.qaFindings.scores.overall < 0.6 && exists(facets.copyVariants)`), which is compiled to JSON Logic.
 */
export type Condition = string | JsonLogic;

export const Condition = Type.Unsafe<Condition>({
  anyOf: [{ type: 'string', minLength: 1, maxLength: 4000 }, { type: 'object' }, { type: 'boolean' }],
  description: 'JSON Logic, or its text form',
});
