import { createRemoteJWKSet, errors, jwtVerify, type JWTPayload, type JWTVerifyGetKey } from 'jose';
import { Rejection, scopes as allScopes, type Scope } from '@flex/contracts';
import { refuse } from '../http/problems.js';
import type { ApiKeyRing } from './api-keys.js';
import { openCaller, type Caller } from './caller.js';

export interface JwtOptions {
  jwksUrl: string;
  issuer?: string;
  audience?: string;
}

/** Finds out who is asking, from `Authorization: Bearer` (API key or JWT) or `X-API-Key`. */
export class Authenticator {
  readonly #jwks: JWTVerifyGetKey | undefined;

  constructor(
    private readonly keys: ApiKeyRing | undefined,
    private readonly jwt: JwtOptions | undefined,
  ) {
    if (jwt)
      this.#jwks = createRemoteJWKSet(new URL(jwt.jwksUrl), { cooldownDuration: 10_000, timeoutDuration: 5_000 });
  }

  /** Nobody has to say who he is. */
  get open(): boolean {
    return !this.keys && !this.#jwks;
  }

  async identify(headers: Record<string, string | string[] | undefined>): Promise<Caller> {
    if (this.open) return openCaller;
    const token = tokenOf(headers);
    if (token === undefined) throw refuse.unauthorized('Send an API key or token as Authorization: Bearer …');
    const known = this.keys?.find(token);
    if (known) return known;
    if (this.#jwks && token.split('.').length === 3) return this.#verify(token, this.#jwks);
    throw refuse.unauthorized('The API key is not known');
  }

  async #verify(token: string, jwks: JWTVerifyGetKey): Promise<Caller> {
    try {
      const { payload } = await jwtVerify(token, jwks, {
        issuer: this.jwt?.issuer,
        audience: this.jwt?.audience,
        clockTolerance: 5,
        // One that never ends could not be taken back.
        requiredClaims: ['exp'],
      });
      return callerOf(payload);
    } catch (error) {
      if (error instanceof Rejection) throw error;
      const code = String((error as { code?: unknown }).code ?? '');
      if (code === 'ERR_JWKS_TIMEOUT' || !code.startsWith('ERR_J'))
        throw refuse.unavailable('The identity provider does not answer', 5);
      throw refuse.unauthorized(
        code === 'ERR_JWT_EXPIRED' ? 'The token has expired' : `The token is not valid${claimOf(error)}`,
      );
    }
  }
}

/** The claim at fault, where it is one: what the caller's own token says tells nobody anything. */
const claimOf = (error: unknown): string =>
  error instanceof errors.JWTClaimValidationFailed ? `: ${error.message}` : '';

function tokenOf(headers: Record<string, string | string[] | undefined>): string | undefined {
  const { authorization, 'x-api-key': key } = headers;
  if (typeof key === 'string' && key !== '') return key;
  const match = typeof authorization === 'string' ? /^Bearer +(\S+)$/i.exec(authorization) : null;
  return match?.[1];
}

/** `scope` (space-separated) or `scopes` (array), `tenant` (or `org_id`), `sub`. */
function callerOf(payload: JWTPayload): Caller {
  const listed = typeof payload['scope'] === 'string' ? payload['scope'].split(' ') : payload['scopes'];
  const granted = (Array.isArray(listed) ? listed : []).map((scope) => String(scope).replace(/^flex:/, ''));
  const tenant = payload['tenant'] ?? payload['org_id'] ?? 'default';
  if (typeof tenant !== 'string' || !/^[a-z0-9][a-z0-9-]{0,62}$/.test(tenant))
    throw refuse.unauthorized('The token names no valid tenant');
  return {
    tenant,
    scopes: new Set(allScopes.filter((scope: Scope) => granted.includes(scope))),
    by: `user:${payload.sub ?? 'unknown'}`,
  };
}
