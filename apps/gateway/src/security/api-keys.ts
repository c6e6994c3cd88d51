import { createHash, timingSafeEqual } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { Closed, Enum, issuesOf, scopes, Tenant, Type, type Static } from '@flex/contracts';
import type { Caller } from './caller.js';

/** A key as it is configured: never itself, only its SHA-256. */
const ApiKey = Closed({
  id: Type.String({ minLength: 1, maxLength: 100 }),
  sha256: Type.String({ pattern: '^[0-9a-f]{64}$', description: 'SHA-256 of the key, hexadecimal' }),
  tenant: Type.Optional(Tenant),
  scopes: Type.Array(Enum(scopes), { minItems: 1 }),
});
type ApiKey = Static<typeof ApiKey>;
const ApiKeys = Type.Array(ApiKey, { minItems: 1, maxItems: 10_000 });

/** Reads keys from JSON, or from the file that the text names. Throws one readable line. */
export function readApiKeys(text: string): ApiKey[] {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text.trimStart().startsWith('[') ? text : readFileSync(text, 'utf8'));
  } catch {
    throw new Error('FLEX_API_KEYS is neither a JSON array of keys nor the path of a file with one');
  }
  const issue = issuesOf(ApiKeys, parsed)[0];
  if (issue) throw new Error(`FLEX_API_KEYS${issue.pointer} ${issue.message}`);
  return parsed as ApiKey[];
}

export class ApiKeyRing {
  readonly #callers: { digest: Buffer; caller: Caller }[];

  constructor(keys: readonly ApiKey[]) {
    this.#callers = keys.map(({ id, sha256, tenant, scopes: granted }) => ({
      digest: Buffer.from(sha256, 'hex'),
      caller: { tenant: tenant ?? 'default', scopes: new Set(granted), by: `key:${id}` },
    }));
  }

  /** Compares digests in constant time, all of them, so that timing tells nothing. */
  find(key: string): Caller | undefined {
    const digest = createHash('sha256').update(key).digest();
    let found: Caller | undefined;
    for (const entry of this.#callers) if (timingSafeEqual(entry.digest, digest)) found = entry.caller;
    return found;
  }
}
