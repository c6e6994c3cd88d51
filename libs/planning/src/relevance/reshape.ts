import type { Mapping } from '@flex/contracts';
import { pointerStep } from '../facets/json-pointer.js';
import { nameLikeness } from './name-likeness.js';
import type { Shape } from './schema-shape.js';

/** A way from data of one shape to data of another. */
export interface Reshaping {
  readonly mapping: Mapping;
  /** The data is taken over as it is. */
  readonly identity: boolean;
  /** How sure it is that this is meant, 0..1. */
  readonly confidence: number;
}

/** From here on two names are taken to mean the same. */
const LIKE = 0.5;
const MAX_DEPTH = 8;

/** How `source`, found at the pointer `from`, becomes `target`; undefined when something that is required isn't in it. */
export function reshape(from: string, source: Shape, target: Shape, depth = 0): Reshaping | undefined {
  const asItIs: Reshaping = { mapping: { from }, identity: true, confidence: 1 };
  if (target.types.size === 0 && target.properties.size === 0) return { ...asItIs, confidence: 0.6 };
  if (source.types.size === 0) return { ...asItIs, confidence: 0.5 };
  if (depth > MAX_DEPTH) return asItIs;
  if (target.types.has('array') && source.types.has('array')) return reshapeItems(from, source, target, depth);
  if (target.types.has('object') && source.types.has('object')) return reshapeMembers(from, source, target, depth);
  if (overlap(source, target)) return valuesFit(source, target) ? asItIs : undefined;
  if (target.types.has('array') && target.items !== undefined) {
    const item = reshape(from, source, target.items, depth + 1);
    return item && { mapping: { array: [item.mapping] }, identity: false, confidence: item.confidence * 0.6 };
  }
  if (source.types.has('array') && source.items !== undefined) {
    const first = reshape(`${from}/0`, source.items, target, depth + 1);
    return first && { mapping: first.mapping, identity: false, confidence: first.confidence * 0.5 };
  }
  return undefined;
}

function overlap(source: Shape, target: Shape): boolean {
  for (const type of source.types) {
    if (target.types.has(type)) return true;
    if ((type === 'integer' && target.types.has('number')) || (type === 'number' && target.types.has('integer')))
      return true;
  }
  return false;
}

function valuesFit(source: Shape, target: Shape): boolean {
  const { values } = source;
  return values === undefined || target.values === undefined || values.some((value) => target.values!.includes(value));
}

function reshapeItems(from: string, source: Shape, target: Shape, depth: number): Reshaping | undefined {
  if (target.items === undefined || source.items === undefined)
    return { mapping: { from }, identity: true, confidence: 0.7 };
  const item = reshape('', source.items, target.items, depth + 1);
  if (item === undefined) return undefined;
  if (item.identity) return { mapping: { from }, identity: true, confidence: item.confidence };
  return { mapping: { each: { from }, as: item.mapping }, identity: false, confidence: item.confidence };
}

function reshapeMembers(from: string, source: Shape, target: Shape, depth: number): Reshaping | undefined {
  if (target.properties.size === 0) return { mapping: { from }, identity: true, confidence: 0.6 };
  const object: Record<string, Mapping> = {};
  let identity = !target.closed || [...source.properties.keys()].every((name) => target.properties.has(name));
  let sum = 0;
  let count = 0;
  const used = new Set<string>();
  for (const [name, wanted] of target.properties) {
    const required = target.required.has(name);
    const found = memberFor(name, wanted, source, from, used, depth);
    if (found === undefined) {
      if (required) return undefined;
      // What the source may hold under that name, but of another kind, must not slip through.
      if (source.properties.has(name)) identity = false;
      continue;
    }
    used.add(found.member);
    object[name] = found.mapping;
    identity &&= found.identity && found.member === name;
    sum += found.confidence;
    count += 1;
  }
  if (count === 0) return undefined;
  const confidence = (sum / count) * (0.7 + (0.3 * count) / target.properties.size);
  return identity ? { mapping: { from }, identity, confidence } : { mapping: { object }, identity, confidence };
}

function memberFor(
  name: string,
  wanted: Shape,
  source: Shape,
  from: string,
  used: ReadonlySet<string>,
  depth: number,
): (Reshaping & { member: string }) | undefined {
  let best: (Reshaping & { member: string }) | undefined;
  for (const [member, shape] of source.properties) {
    const likeness = nameLikeness(name, member);
    if (likeness < LIKE || (used.has(member) && likeness < 1)) continue;
    const way = reshape(from + pointerStep(member), shape, wanted, depth + 1);
    if (way === undefined) continue;
    const confidence = way.confidence * likeness;
    if (best === undefined || confidence > best.confidence) best = { ...way, confidence, member };
  }
  return best;
}
