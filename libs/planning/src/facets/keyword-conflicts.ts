import type { JsonSchema } from '@flex/contracts';
import { pointerStep } from './json-pointer.js';
import type { Atom, Part, SchemaConflict } from './schema-conflicts.js';
import { quickValidator } from './validators.js';

export type TypeName = 'null' | 'boolean' | 'object' | 'array' | 'number' | 'integer' | 'string';
const ALL_TYPES: readonly TypeName[] = ['null', 'boolean', 'object', 'array', 'number', 'string'];

/** The types that all atoms allow (integer: only whole numbers are left), or the conflict when there is none. */
export function typesOf(atoms: readonly Atom[]): { allowed: ReadonlySet<TypeName> } | SchemaConflict {
  let allowed = new Set<TypeName>(ALL_TYPES);
  let narrowedBy: Atom | undefined;
  for (const atom of atoms) {
    const own = declaredTypes(atom.keywords.type);
    if (own === undefined) continue;
    const both = new Set<TypeName>();
    for (const type of allowed) {
      if (own.has(type)) both.add(type);
      else if (type === 'number' && own.has('integer')) both.add('integer');
      else if (type === 'integer' && own.has('number')) both.add('integer');
    }
    if (both.size === 0)
      return {
        code: 'TYPE_MISMATCH',
        message: `type ${listed(own)} contradicts ${listed(allowed)}`,
        pointers: narrowedBy === undefined ? [atom.pointer] : [atom.pointer, narrowedBy.pointer],
      };
    if (both.size < allowed.size || narrowedBy === undefined) narrowedBy = atom;
    allowed = both;
  }
  return { allowed };
}

function declaredTypes(type: unknown): Set<TypeName> | undefined {
  if (typeof type === 'string') return new Set([type as TypeName]);
  return Array.isArray(type) ? new Set(type as TypeName[]) : undefined;
}

const listed = (types: ReadonlySet<string>): string => [...types].join(' | ');

/** A conflict when values are enumerated and none of them passes everything else. */
export function enumerated(atoms: readonly Atom[], allowed: ReadonlySet<TypeName>): SchemaConflict | undefined {
  const listing = atoms.filter((atom) => 'const' in atom.keywords || Array.isArray(atom.keywords.enum));
  const first = listing[0];
  if (first === undefined) return undefined;
  let values = valuesOf(first);
  for (const atom of listing.slice(1)) {
    const others = new Set(valuesOf(atom).map(canonical));
    const both = values.filter((value) => others.has(canonical(value)));
    if (both.length === 0)
      return {
        code: 'ENUM_CONFLICT',
        message: `${shown(valuesOf(atom))} has nothing in common with ${shown(values)}`,
        pointers: [atom.pointer, first.pointer],
      };
    values = both;
  }
  const ofType = values.filter(
    (value) => allowed.has(typeName(value)) || (typeof value === 'number' && allowed.has('number')),
  );
  if (ofType.length === 0)
    return {
      code: 'TYPE_MISMATCH',
      message: `${shown(values)} contradicts type ${listed(allowed)}`,
      pointers: [
        first.pointer,
        ...atoms.filter((atom) => atom.keywords.type !== undefined).map((atom) => atom.pointer),
      ],
    };
  for (const atom of atoms) {
    const { $ref: _ref, ...plain } = atom.keywords;
    const accepts = quickValidator(withoutNested(plain));
    if (ofType.some(accepts)) continue;
    return {
      code: 'BOUNDS_CONFLICT',
      message: `${shown(ofType)} lies outside what is allowed`,
      pointers: [atom.pointer, first.pointer],
    };
  }
  return undefined;
}

const SIMPLE = [
  'minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum', 'multipleOf', 'minLength', 'maxLength', 'pattern',
  'minItems', 'maxItems', 'minProperties', 'maxProperties', 'required',
]; // prettier-ignore

/** Only keywords that judge a value by itself: references don't resolve outside their document. */
function withoutNested(keywords: Readonly<Record<string, unknown>>): JsonSchema {
  return Object.fromEntries(SIMPLE.filter((key) => key in keywords).map((key) => [key, keywords[key]]));
}

function valuesOf(atom: Atom): unknown[] {
  const listed_ = Array.isArray(atom.keywords.enum) ? (atom.keywords.enum as unknown[]) : undefined;
  if (!('const' in atom.keywords)) return listed_ ?? [];
  const only = atom.keywords.const;
  return listed_ === undefined || listed_.some((value) => canonical(value) === canonical(only)) ? [only] : [];
}

const shown = (values: readonly unknown[]): string =>
  JSON.stringify(values.length === 1 ? values[0] : values).slice(0, 200);

function typeName(value: unknown): TypeName {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'array';
  if (typeof value === 'number') return Number.isInteger(value) ? 'integer' : 'number';
  return typeof value as TypeName;
}

/** JSON with sorted keys: equal for equal values. */
export function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
  if (value !== null && typeof value === 'object')
    return `{${Object.keys(value)
      .sort()
      .map((key) => `${JSON.stringify(key)}:${canonical((value as Record<string, unknown>)[key])}`)
      .join(',')}}`;
  return JSON.stringify(value) ?? 'undefined';
}

interface Bound {
  readonly value: number;
  readonly strict: boolean;
  readonly pointer: string;
}

function tightest(
  atoms: readonly Atom[],
  keyword: string,
  strict: string | undefined,
  sign: 1 | -1,
): Bound | undefined {
  let best: Bound | undefined;
  for (const { keywords, pointer } of atoms) {
    for (const [name, isStrict] of [[keyword, false], ...(strict === undefined ? [] : [[strict, true]])] as const) {
      const value = keywords[name as string];
      if (typeof value !== 'number') continue;
      const tighter =
        best === undefined ||
        value * sign > best.value * sign ||
        (value === best.value && isStrict === true && !best.strict);
      if (tighter) best = { value, strict: isStrict as boolean, pointer };
    }
  }
  return best;
}

function empty(low: Bound | undefined, high: Bound | undefined): boolean {
  if (low === undefined || high === undefined) return false;
  return low.value > high.value || (low.value === high.value && (low.strict || high.strict));
}

function outOfBounds(what: string, low: Bound, high: Bound): SchemaConflict {
  return {
    code: 'BOUNDS_CONFLICT',
    message: `${what} at least ${low.value}, but at most ${high.value}`,
    pointers: [low.pointer, high.pointer],
  };
}

/** Limits of number, length or count that leave nothing, for the only type that is left. */
export function boundsConflict(atoms: readonly Atom[], allowed: ReadonlySet<TypeName>): SchemaConflict | undefined {
  if (allowed.size !== 1) return undefined;
  const [type] = allowed;
  const pairs: readonly (readonly [TypeName, string, string, string])[] = [
    ['string', 'minLength', 'maxLength', 'length'],
    ['array', 'minItems', 'maxItems', 'number of items'],
    ['object', 'minProperties', 'maxProperties', 'number of properties'],
  ];
  for (const [applies, least, most, what] of pairs) {
    if (type !== applies) continue;
    const low = tightest(atoms, least, undefined, 1);
    const high = tightest(atoms, most, undefined, -1);
    if (empty(low, high)) return outOfBounds(what, low!, high!);
  }
  if (type === 'object') return tooManyRequired(atoms);
  if (type !== 'number' && type !== 'integer') return undefined;
  const low = tightest(atoms, 'minimum', 'exclusiveMinimum', 1);
  const high = tightest(atoms, 'maximum', 'exclusiveMaximum', -1);
  if (empty(low, high)) return outOfBounds('value', low!, high!);
  if (low === undefined || high === undefined || type !== 'integer') return undefined;
  const least = low.strict ? Math.floor(low.value) + 1 : Math.ceil(low.value);
  const most = high.strict ? Math.ceil(high.value) - 1 : Math.floor(high.value);
  return least > most ? outOfBounds('whole number', low, high) : undefined;
}

function tooManyRequired(atoms: readonly Atom[]): SchemaConflict | undefined {
  const most = tightest(atoms, 'maxProperties', undefined, -1);
  const required = new Set(atoms.flatMap((atom) => requiredOf(atom)));
  if (most === undefined || required.size <= most.value) return undefined;
  return {
    code: 'BOUNDS_CONFLICT',
    message: `${required.size} properties are required, but at most ${most.value} allowed`,
    pointers: [most.pointer],
  };
}

function requiredOf(atom: Atom): string[] {
  return Array.isArray(atom.keywords.required) ? (atom.keywords.required as string[]) : [];
}

/** Every named property, with all schemas that apply to it; a required one that is forbidden. */
export function objectConflicts(
  atoms: readonly Atom[],
  examine: (parts: readonly Part[]) => void,
  found: SchemaConflict[],
): void {
  const names = new Set<string>();
  const requiredBy = new Map<string, Atom>();
  for (const atom of atoms) {
    for (const name of Object.keys(membersOf(atom, 'properties'))) names.add(name);
    for (const name of requiredOf(atom)) {
      names.add(name);
      requiredBy.set(name, atom);
    }
  }
  for (const name of names) {
    const parts: Part[] = [];
    let forbiddenBy: Atom | undefined;
    for (const atom of atoms) {
      const own = schemasForProperty(atom, name);
      if (own.some((part) => part.schema === false)) forbiddenBy = atom;
      parts.push(...own.filter((part) => part.schema !== false));
    }
    const required = requiredBy.get(name);
    if (forbiddenBy === undefined) examine(parts);
    else if (required !== undefined)
      found.push({
        code: 'MERGE_UNSUPPORTED',
        message: `property "${name}" is required, but not allowed`,
        pointers: [required.pointer, forbiddenBy.pointer],
      });
  }
}

function membersOf(atom: Atom, keyword: string): Record<string, JsonSchema> {
  const members = atom.keywords[keyword];
  return typeof members === 'object' && members !== null ? (members as Record<string, JsonSchema>) : {};
}

function schemasForProperty(atom: Atom, name: string): Part[] {
  const parts: Part[] = [];
  const properties = membersOf(atom, 'properties');
  if (Object.hasOwn(properties, name))
    parts.push({ schema: properties[name]!, pointer: `${atom.pointer}/properties${pointerStep(name)}` });
  for (const [pattern, schema] of Object.entries(membersOf(atom, 'patternProperties'))) {
    if (matches(pattern, name))
      parts.push({ schema, pointer: `${atom.pointer}/patternProperties${pointerStep(pattern)}` });
  }
  const rest = atom.keywords.additionalProperties;
  if (parts.length === 0 && rest !== undefined)
    parts.push({ schema: rest as JsonSchema, pointer: `${atom.pointer}/additionalProperties` });
  return parts;
}

function matches(pattern: string, name: string): boolean {
  try {
    return new RegExp(pattern, 'u').test(name);
  } catch {
    return false;
  }
}

/** Items at each position that some schema names, and those at all others. */
export function arrayConflicts(atoms: readonly Atom[], examine: (parts: readonly Part[]) => void): void {
  const named = Math.max(0, ...atoms.map((atom) => prefixOf(atom).length));
  for (let position = 0; position <= named; position += 1) {
    const parts: Part[] = [];
    for (const atom of atoms) {
      const prefix = prefixOf(atom);
      if (position < prefix.length)
        parts.push({ schema: prefix[position]!, pointer: `${atom.pointer}/prefixItems/${position}` });
      else if (atom.keywords.items !== undefined)
        parts.push({ schema: atom.keywords.items as JsonSchema, pointer: `${atom.pointer}/items` });
    }
    // `items: false` only says how many there are.
    if (!parts.some((part) => part.schema === false)) examine(parts);
  }
}

function prefixOf(atom: Atom): readonly JsonSchema[] {
  return Array.isArray(atom.keywords.prefixItems) ? (atom.keywords.prefixItems as JsonSchema[]) : [];
}
