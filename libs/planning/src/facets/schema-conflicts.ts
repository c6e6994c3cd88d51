import type { JsonSchema } from '@flex/contracts';
import { arrayConflicts, boundsConflict, enumerated, objectConflicts, typesOf } from './keyword-conflicts.js';
import { pointerStep, valueAt } from './json-pointer.js';

export type ConflictCode = 'TYPE_MISMATCH' | 'ENUM_CONFLICT' | 'BOUNDS_CONFLICT' | 'MERGE_UNSUPPORTED';

/** A schema that applies to the value in question, and where it lies in the composed schema. */
export interface Part {
  readonly schema: JsonSchema;
  readonly pointer: string;
}

export interface SchemaConflict {
  readonly code: ConflictCode;
  readonly message: string;
  /** Where the two sides lie in the composed schema. */
  readonly pointers: readonly string[];
}

/** A part without references and `allOf`: nothing but its own keywords. */
export interface Atom {
  readonly keywords: Readonly<Record<string, unknown>>;
  readonly pointer: string;
}

const MAX_DEPTH = 48;
const MAX_CONFLICTS = 50;

/**
 * Contradictions between schemas that all apply to one value, found by their meaning, at any depth: through properties, items,
 * references, `allOf`, and alternatives of which none is left.
 *
 * What it reports is a contradiction for every value of the place concerned; it doesn't find all of them (no procedure can be
 * complete with patterns and negation).
 */
export function schemaConflicts(root: JsonSchema, parts: readonly Part[]): SchemaConflict[] {
  const found: SchemaConflict[] = [];
  new ConflictSearch(root, found).examine(parts, 0);
  return found.slice(0, MAX_CONFLICTS);
}

class ConflictSearch {
  private readonly open = new Set<string>();

  constructor(
    private readonly root: JsonSchema,
    private readonly found: SchemaConflict[],
  ) {}

  examine(parts: readonly Part[], depth: number): void {
    if (depth > MAX_DEPTH || this.found.length >= MAX_CONFLICTS) return;
    // The same parts met again inside themselves (a recursive schema) say nothing new.
    const identity = parts.map((part) => part.pointer).join(' ');
    if (this.open.has(identity)) return;
    this.open.add(identity);
    this.examineAtoms(this.flatten(parts), depth);
    this.open.delete(identity);
  }

  private examineAtoms(atoms: Atom[] | SchemaConflict, depth: number): void {
    if (!Array.isArray(atoms)) {
      this.found.push(atoms);
      return;
    }
    const before = this.found.length;
    const types = typesOf(atoms);
    if ('code' in types) {
      this.found.push(types);
      return;
    }
    const values = enumerated(atoms, types.allowed);
    if (values !== undefined) this.found.push(values);
    const bounds = boundsConflict(atoms, types.allowed);
    if (bounds !== undefined) this.found.push(bounds);
    if (this.found.length > before) return;
    const examine = (parts: readonly Part[]): void => this.examine(parts, depth + 1);
    if (types.allowed.has('object')) objectConflicts(atoms, examine, this.found);
    if (types.allowed.has('array')) arrayConflicts(atoms, examine);
    this.examineAlternatives(atoms, depth);
  }

  /** Of the alternatives of each `anyOf` and `oneOf`, one at least has to get along with everything else. */
  private examineAlternatives(atoms: readonly Atom[], depth: number): void {
    for (const atom of atoms) {
      for (const keyword of ['anyOf', 'oneOf'] as const) {
        const alternatives = atom.keywords[keyword];
        if (!Array.isArray(alternatives) || alternatives.length === 0) continue;
        const rest = atoms.map((other): Part => ({
          schema: withoutAlternatives(other.keywords),
          pointer: other.pointer,
        }));
        let first: SchemaConflict | undefined;
        const allFail = (alternatives as JsonSchema[]).every((schema, at) => {
          const conflicts: SchemaConflict[] = [];
          const pointer = atom.pointer + pointerStep(keyword) + pointerStep(at);
          const search = new ConflictSearch(this.root, conflicts);
          for (const identity of this.open) search.open.add(identity);
          search.examine([{ schema, pointer }, ...rest], depth + 1);
          first ??= conflicts[0];
          return conflicts.length > 0;
        });
        if (allFail && first !== undefined)
          this.found.push({ ...first, message: `no alternative of ${keyword} is possible: ${first.message}` });
      }
    }
  }

  /** Resolves references and `allOf`; a schema `false` is a conflict at once. */
  private flatten(parts: readonly Part[]): Atom[] | SchemaConflict {
    const atoms: Atom[] = [];
    const seen = new Set<string>();
    const queue = [...parts];
    for (let at = 0; at < queue.length; at += 1) {
      const { schema, pointer } = queue[at]!;
      if (seen.has(pointer) && at >= parts.length) continue;
      seen.add(pointer);
      if (schema === true) continue;
      if (schema === false) return { code: 'MERGE_UNSUPPORTED', message: 'is never allowed', pointers: [pointer] };
      const { $ref, allOf, ...keywords } = schema;
      if (typeof $ref === 'string' && $ref.startsWith('#')) {
        const target = decodeURI($ref.slice(1));
        const referred = valueAt(this.root, target);
        if (isSchema(referred)) queue.push({ schema: referred, pointer: target });
      }
      if (Array.isArray(allOf))
        (allOf as JsonSchema[]).forEach((part, index) =>
          queue.push({ schema: part, pointer: `${pointer}/allOf/${index}` }),
        );
      atoms.push({ keywords, pointer });
    }
    return atoms;
  }
}

function withoutAlternatives(keywords: Readonly<Record<string, unknown>>): JsonSchema {
  const { anyOf: _anyOf, oneOf: _oneOf, ...rest } = keywords;
  return rest;
}

function isSchema(value: unknown): value is JsonSchema {
  return typeof value === 'boolean' || (typeof value === 'object' && value !== null && !Array.isArray(value));
}
