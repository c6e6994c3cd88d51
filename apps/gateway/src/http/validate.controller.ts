import { Controller, UseInterceptors } from '@nestjs/common';
import { GatewayParts } from '../gateway-parts.js';
import type { Preview } from '../runs/plan-preview.js';
import type { GatewayRequest } from '../security/caller.js';
import { Once } from './once.js';
import { Incoming, Operation } from './operation.js';

/** Judging a task without running it. */
@Controller()
@UseInterceptors(Once)
export class ValidateController {
  constructor(private readonly parts: GatewayParts) {}

  @Operation('validateRun')
  async validate(@Incoming() request: GatewayRequest): Promise<Preview> {
    const { tenant } = request.caller;
    const { preview, live, schemas } = this.parts;
    const errors = await schemas.faults(request.body);
    if (errors.length > 0) return { valid: false, errors, diagnostics: [] };
    return live.judge(
      tenant,
      (snapshot) => preview.envelope(request.body, tenant, snapshot),
      ({ valid }) => valid,
    );
  }
}
