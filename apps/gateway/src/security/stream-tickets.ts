import { createHmac, timingSafeEqual } from 'node:crypto';
import type { LogClock } from '@flex/events';
import type { Caller } from './caller.js';

/** What a ticket opens, and until when. */
interface Claims {
  tenant: string;
  by?: string;
  /** Only the stream of this run. */
  runId?: string;
  /** Milliseconds since the epoch, by the clock that all replicas share. */
  until: number;
}

export interface StreamTicket {
  ticket: string;
  expiresAt: number;
}

/**
 * Tickets for `EventSource`, which cannot send headers: they open streams and nothing else, for a short time, and are
 * signed with a secret that all replicas share. Whoever has one can hand it on, as with any address that opens something.
 */
export class StreamTickets {
  constructor(
    private readonly secret: () => Promise<Buffer>,
    private readonly clock: Pick<LogClock, 'now'>,
  ) {}

  async issue(caller: Caller, wish: { runId?: string; seconds: number }): Promise<StreamTicket> {
    const until = this.clock.now() + wish.seconds * 1_000;
    const claims: Claims = { tenant: caller.tenant, by: caller.by, runId: wish.runId, until };
    const body = Buffer.from(JSON.stringify(claims)).toString('base64url');
    return { ticket: `${body}.${(await this.#sign(body)).toString('base64url')}`, expiresAt: until };
  }

  /** Who holds the ticket, or undefined when it is not one of ours, has expired, or is for another stream. */
  async holder(ticket: string, runId: string | undefined): Promise<Caller | undefined> {
    const [body = '', signature = ''] = ticket.split('.');
    const given = Buffer.from(signature, 'base64url');
    const right = await this.#sign(body);
    if (given.length !== right.length || !timingSafeEqual(given, right)) return undefined;
    const claims = JSON.parse(Buffer.from(body, 'base64url').toString('utf8')) as Claims;
    if (claims.until <= this.clock.now() || (claims.runId !== undefined && claims.runId !== runId)) return undefined;
    return { tenant: claims.tenant, scopes: new Set(['run']), by: claims.by };
  }

  async #sign(body: string): Promise<Buffer> {
    return createHmac('sha256', await this.secret())
      .update(body)
      .digest();
  }
}
