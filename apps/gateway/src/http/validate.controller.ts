import { Controller } from '@nestjs/common';
import { GatewayParts } from '../gateway-parts.js';
import type { Preview } from '../runs/plan-preview.js';
import type { GatewayRequest } from '../security/caller.js';
import { Incoming, Operation } from './operation.js';

/** Judging a task without running it. */
@Controller()
export class ValidateController {
  constructor(private readonly parts: GatewayParts) {}

  @Operation('validateRun')
  validate(@Incoming() request: GatewayRequest): Preview {
    const { tenant } = request.caller;
    return this.parts.preview.envelope(request.body, tenant, this.parts.mirror.snapshot(tenant));
  }
}
