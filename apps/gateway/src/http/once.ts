import { Injectable, type CallHandler, type ExecutionContext, type NestInterceptor } from '@nestjs/common';
import { from, lastValueFrom, type Observable } from 'rxjs';
import { GatewayParts } from '../gateway-parts.js';
import { newId } from '../runs/new-id.js';
import type { GatewayRequest } from '../security/caller.js';

/** POSTs that make nothing whose id has to be reserved: carried out once under their `Idempotency-Key`. */
@Injectable()
export class Once implements NestInterceptor {
  constructor(private readonly parts: GatewayParts) {}

  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    const request = context.switchToHttp().getRequest<GatewayRequest>();
    if (request.method !== 'POST') return next.handle();
    return from(this.parts.idempotency.once(request, newId(), () => lastValueFrom(next.handle())));
  }
}
