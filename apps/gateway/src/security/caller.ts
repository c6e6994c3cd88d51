import type { IncomingMessage, ServerResponse } from 'node:http';
import { DEFAULT_TENANT, scopes, type Scope } from '@flex/contracts';

/** Who is asking: for which tenant, with which rights, and how to name it in the log. */
export interface Caller {
  tenant: string;
  scopes: ReadonlySet<Scope>;
  /** `key:<id>` or `user:<subject>`; undefined when the gateway is open. */
  by?: string;
}

/** On loopback without keys everybody may do everything, in the default tenant. */
export const openCaller: Caller = { tenant: DEFAULT_TENANT, scopes: new Set(scopes) };

/** `admin` may everything; `operate` includes `run`. */
export const may = (caller: Caller, scope: Scope): boolean =>
  caller.scopes.has('admin') || caller.scopes.has(scope) || (scope === 'run' && caller.scopes.has('operate'));

export interface GatewayRequest extends IncomingMessage {
  caller: Caller;
  requestId: string;
  traceparent?: string;
  body?: unknown;
  query: Record<string, unknown>;
  params: Record<string, string>;
  /** The answer to it, as Express ties them together. */
  res?: ServerResponse;
}
