import { nodeKinds } from '@flex/contracts';

/**
 * The output schemas that a model is held to: our PlannerDraft and PlanDelta in the subset that "strict" structured output
 * understands. Every member is required and may be null, objects are closed, and what has no fixed shape (a mapping) travels as
 * JSON text. The schemas never change with the request, so that a provider compiles them once.
 *
 * What a model may not say is not in here: schemas, provenance, scores, hooks, retries, timeouts, literal inputs.
 */
type Schema = Record<string, unknown>;

const text = { type: 'string' };
const optionalText = { type: ['string', 'null'] };
const texts = { type: 'array', items: text };
const closed = (properties: Schema): Schema => ({
  type: 'object',
  properties,
  required: Object.keys(properties),
  additionalProperties: false,
});
const nullable = (schema: Schema): Schema => ({ anyOf: [schema, { type: 'null' }] });

const node = closed({
  id: { ...text, description: 'Stable name of the node: letters, digits, _ . : @ / -' },
  kind: { type: 'string', enum: [...nodeKinds] },
  capabilityId: { ...optionalText, description: 'A capability from the list, spelt exactly; null for engine nodes' },
  derivedFrom: { ...optionalText, description: 'The nearest capability, when none fits exactly; else null' },
  label: text,
  inputFacets: texts,
  outputFacets: texts,
  instruction: optionalText,
  rationale: texts,
  branchId: { ...optionalText, description: 'The branch that the node belongs to; null outside branches' },
  fallback: { ...texts, description: 'Capabilities to try, in order, when the chosen one fails' },
  mapping: nullable({
    type: 'array',
    description: 'For a declarative transformation: a mapping per output facet, as JSON text',
    items: closed({ facet: text, json: text }),
  }),
  routes: nullable({
    type: 'array',
    description: 'For a routing node: the ways out, the first whose condition holds is taken',
    items: closed({ to: text, condition: optionalText }),
  }),
});

const edge = closed({ from: text, to: text, facets: texts, condition: optionalText });

export const draftAnswerSchema: Schema = closed({
  nodes: { type: 'array', items: node },
  edges: { type: 'array', items: edge },
});

const operation = (op: string, rest: Schema): Schema => closed({ op: { type: 'string', enum: [op] }, ...rest });

export const deltaAnswerSchema: Schema = closed({
  operations: {
    type: 'array',
    items: {
      anyOf: [
        operation('addNode', { node }),
        operation('replaceNode', { node }),
        operation('removeNode', { nodeId: text }),
        operation('cancelNode', { nodeId: text }),
        operation('addEdge', { edge }),
        operation('removeEdge', { from: text, to: text }),
      ],
    },
  },
  rationale: texts,
});

/** Name and schema of the answer to a planning phase, as `response_format` carries them. */
export const answerFormat = (phase: 'initial' | 'replan'): { name: string; schema: Schema } =>
  phase === 'initial'
    ? { name: 'flex_planner_draft', schema: draftAnswerSchema }
    : { name: 'flex_plan_delta', schema: deltaAnswerSchema };
