import { JsonValue, Type, type Json } from './schema.js';

/**
 * A declarative reshaping of data. `from` is a JSON pointer into the context: the run's facets by name
 * (`/copyVariants/0/headline`), or inside `each`, the current item. `first` takes the first part that is defined.
 */
export type Mapping =
  | { from: string; default?: Json }
  | { each: Mapping; as: Mapping }
  | { object: Record<string, Mapping> }
  | { array: Mapping[] }
  | { concat: Mapping[] }
  | { first: Mapping[] }
  | { value: Json };

const nested = Type.Unsafe<Mapping>({ $ref: 'flex:Mapping' });
const only = (properties: Record<string, unknown>, optional: string[] = []) => ({
  type: 'object',
  properties,
  required: Object.keys(properties).filter((key) => !optional.includes(key)),
  additionalProperties: false,
});

export const MappingSchema = Type.Unsafe<Mapping>({
  $id: 'flex:Mapping',
  description: 'Declarative reshaping of data',
  anyOf: [
    only({ from: { type: 'string', pattern: '^(/.*)?$' }, default: JsonValue }, ['default']),
    only({ each: nested, as: nested }),
    only({ object: { type: 'object', additionalProperties: nested } }),
    only({ array: { type: 'array', items: nested } }),
    only({ concat: { type: 'array', items: nested } }),
    only({ first: { type: 'array', items: nested } }),
    only({ value: {} }),
  ],
});
