import type { Capability, Facet, RegisteredCapability, ValidationIssue } from '@flex/contracts';

/**
 * The facet as it will be stored, or undefined when what is there says the same. Versions only ever rise: a version
 * given by the author counts when it is higher than the current one.
 */
export function nextFacet(current: Facet | undefined, incoming: Facet): Facet | undefined {
  const tenant = incoming.tenant ?? 'default';
  if (!current) return { ...incoming, tenant, version: incoming.version ?? 1 };
  const before = current.version ?? 1;
  const same = sameJson({ ...incoming, tenant, version: 0 }, { ...current, version: 0 });
  if (same && (incoming.version ?? 0) <= before) return undefined;
  return { ...incoming, tenant, version: Math.max(before + 1, incoming.version ?? 0) };
}

/** An author who names an older version than the live one has not seen what changed meanwhile. */
export function staleVersion(current: Facet | undefined, incoming: Facet): ValidationIssue[] {
  const before = current?.version ?? 0;
  if (incoming.version === undefined || incoming.version >= before) return [];
  if (current && sameJson({ ...incoming, tenant: '', version: 0 }, { ...current, tenant: '', version: 0 })) return [];
  const message = `is ${incoming.version}, and version ${before} is live; leave it out to publish the next one`;
  return [{ pointer: '/version', message, keyword: 'staleVersion', facet: incoming.name }];
}

/** The capability as it will be stored: active; undefined when it is there just so. A new version starts in full health. */
export function nextCapability(
  current: RegisteredCapability | undefined,
  incoming: Capability,
): RegisteredCapability | undefined {
  const next: RegisteredCapability = { ...incoming, tenant: incoming.tenant ?? 'default', status: 'active' };
  if (current?.health !== undefined && current.version === incoming.version) {
    next.health = current.health;
    next.calls = current.calls;
  }
  return current && sameJson(current, next) ? undefined : next;
}

/** Equality of JSON values, whatever the order of members. */
export function sameJson(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (a === null || b === null || typeof a !== 'object' || typeof b !== 'object') return false;
  if (Array.isArray(a) !== Array.isArray(b)) return false;
  const left = members(a);
  const right = members(b);
  return left.length === right.length && left.every(([key, value]) => key in b && sameJson(value, (b as never)[key]));
}

const members = (value: object): [string, unknown][] =>
  Object.entries(value).filter(([, inner]) => inner !== undefined);
