import { Controller, UseInterceptors } from '@nestjs/common';
import { GatewayParts } from '../gateway-parts.js';
import type { GatewayRequest } from '../security/caller.js';
import { timestampOf } from '../timestamp.js';
import { Once } from './once.js';
import { Incoming, Operation } from './operation.js';

const DEFAULT_SECONDS = 300;

/** Tickets for clients that cannot send headers with their streams. */
@Controller()
@UseInterceptors(Once)
export class StreamTicketController {
  constructor(private readonly parts: GatewayParts) {}

  @Operation('createStreamTicket')
  async create(@Incoming() request: GatewayRequest): Promise<{ ticket: string; expiresAt: string }> {
    const { runId, expiresInSeconds = DEFAULT_SECONDS } = request.body as { runId?: string; expiresInSeconds?: number };
    // Nobody gets a ticket for what he may not see.
    if (runId !== undefined) await this.parts.runs.summary(runId, request.caller);
    const wish = { runId, seconds: expiresInSeconds };
    const { ticket, expiresAt } = await this.parts.tickets.issue(request.caller, wish);
    return { ticket, expiresAt: timestampOf(expiresAt) };
  }
}
