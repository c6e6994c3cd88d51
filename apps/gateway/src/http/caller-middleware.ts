import type { NextFunction, Request, Response } from 'express';
import { API_PREFIX } from '@flex/contracts';
import type { Authenticator } from '../security/authenticator.js';
import type { Caller, GatewayRequest } from '../security/caller.js';
import type { RateLimit } from '../security/rate-limit.js';
import type { StreamTickets } from '../security/stream-tickets.js';
import { problemFor, sendProblem } from './problem-response.js';
import { refuse } from './problems.js';

type Middleware = (request: Request, response: Response, next: NextFunction) => void;

export interface CallerRules {
  authenticator: Authenticator;
  tickets: StreamTickets;
  limit: RateLimit;
  /** Origins of browsers that may call, by commas. */
  corsOrigins: string;
}

const STREAM = new RegExp(`^${API_PREFIX}/(?:runs/([A-Za-z0-9_-]+)/)?stream$`);

/** Who is asking comes before the body: nobody unknown may send 32 MB. */
export function callerMiddleware(rules: CallerRules): Middleware {
  const hosts = trustedHosts(rules.corsOrigins);
  return (request, response, next) => {
    if (!request.path.startsWith(API_PREFIX)) return next();
    identify(request, rules, hosts).then(
      (caller) => {
        const wait = rules.limit.take(caller.tenant, performance.now());
        if (wait > 0) return sendProblem(response, problemFor(refuse.rateLimited(wait)));
        (request as unknown as GatewayRequest).caller = caller;
        next();
      },
      (error: unknown) => sendProblem(response, problemFor(error)),
    );
  };
}

async function identify(request: Request, rules: CallerRules, hosts: ReadonlySet<string>): Promise<Caller> {
  const { authenticator, tickets } = rules;
  if (authenticator.open && !isTrusted(request.hostname, hosts)) {
    throw refuse.forbidden('Without keys this gateway answers to the names of this machine only; see FLEX_API_KEYS');
  }
  const { ticket } = request.query;
  const stream = request.method === 'GET' ? STREAM.exec(request.path) : null;
  if (typeof ticket !== 'string' || !stream) return authenticator.identify(request.headers);
  const holder = await tickets.holder(ticket, stream[1]);
  if (!holder) throw refuse.unauthorized('The ticket is not for this stream, or has expired');
  return holder;
}

/** A page of elsewhere whose name was made to point at this machine (DNS rebinding) gives itself away by that name. */
const isTrusted = (host: string | undefined, hosts: ReadonlySet<string>): boolean =>
  host === undefined ||
  /^(localhost|.*\.localhost|127\.\d+\.\d+\.\d+|\[::1\]|::1)$/.test(host) ||
  hosts.has(host) ||
  hosts.has('*');

function trustedHosts(corsOrigins: string): Set<string> {
  const origins = corsOrigins.split(',').map((origin) => origin.trim());
  return new Set(origins.map((origin) => (URL.canParse(origin) ? new URL(origin).hostname : origin)).filter(Boolean));
}
