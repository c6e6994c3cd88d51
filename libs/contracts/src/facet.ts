import { Closed, Enum, JsonSchemaValue, Name, Positive, Tenant, Type, type Static } from './schema.js';

export const facetDirections = ['input', 'output', 'bidirectional'] as const;

/** Guidance woven into the instruction of each node that uses the facet. */
export const FacetSemantics = Type.Union([
  Type.String({ maxLength: 8000 }),
  Closed({
    summary: Type.Optional(Type.String({ maxLength: 2000 })),
    instruction: Type.String({ maxLength: 8000 }),
    checkpoints: Type.Optional(Type.Array(Type.String({ maxLength: 2000 }), { maxItems: 50 })),
  }),
]);

/** A named, typed piece of data: the unit in which everything is planned. */
export const Facet = Closed(
  {
    name: Name('Name of the facet, unique in its tenant'),
    tenant: Type.Optional(Tenant),
    title: Type.Optional(Type.String({ maxLength: 200 })),
    description: Type.Optional(Type.String({ maxLength: 4000 })),
    schema: JsonSchemaValue,
    semantics: Type.Optional(FacetSemantics),
    direction: Enum(facetDirections),
    extends: Type.Optional(Name('Facet that this one specialises')),
    propertyKey: Type.Optional(Name('Property under which the facet appears in composed objects; its name if absent')),
    requiredByDefault: Type.Optional(Type.Boolean({ default: true })),
    version: Type.Optional(Positive),
    owner: Type.Optional(Type.String({ maxLength: 200 })),
    tags: Type.Optional(Type.Array(Type.String({ maxLength: 64 }), { maxItems: 50 })),
  },
  { $id: 'flex:Facet', description: 'A named, typed piece of data' },
);
export type Facet = Static<typeof Facet>;
export type FacetDirection = Facet['direction'];
