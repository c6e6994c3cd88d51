import type { DynamicModule } from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import type { ServiceContext, ServiceOptions } from '@flex/events/service';
import { UnsuitableServer } from '@flex/events';
import { GatewayConfig } from './gateway-config.js';
import { startGatewayLife } from './gateway-life.js';
import { GatewayParts } from './gateway-parts.js';
import { CommandsController } from './http/commands.controller.js';
import { LabelStreamController } from './http/label-stream.controller.js';
import { DocumentsController } from './http/documents.controller.js';
import { callerMiddleware } from './http/caller-middleware.js';
import { bodyMiddleware, envelopeMiddleware } from './http/edge-middleware.js';
import { OperationGuard } from './http/operation.js';
import { PlanController } from './http/plan.controller.js';
import { GatewayProblemFilter } from './http/problem-response.js';
import { requestSpan } from './http/request-span.js';
import { RegistryController } from './http/registry.controller.js';
import { RunsController } from './http/runs.controller.js';
import { StreamTicketController } from './http/stream-ticket.controller.js';
import { SubmitController } from './http/submit.controller.js';
import { TasksController } from './http/tasks.controller.js';
import { ValidateController } from './http/validate.controller.js';
import { ApiKeyRing, readApiKeys } from './security/api-keys.js';
import { Authenticator } from './security/authenticator.js';
import { RateLimit } from './security/rate-limit.js';
import { gatewayWarmUp } from './warm-up.js';

class GatewayModule {}

/** The gateway as a service: what `startService` runs in a process of its own, and tests boot inside theirs. */
export function gatewayService(): ServiceOptions<GatewayConfig> {
  let authenticator: Authenticator | undefined;
  return {
    name: 'gateway',
    config: GatewayConfig,
    warmUp: gatewayWarmUp,
    // The gateway reads bodies itself, after it knows who is asking.
    nest: { bodyParser: false },
    tls: ({ tlsCert, tlsKey }) => (tlsCert && tlsKey ? { certFile: tlsCert, keyFile: tlsKey } : undefined),
    module: async (service): Promise<DynamicModule> => {
      // Before anything begins: a configuration that would be unsafe starts nothing.
      authenticator = authenticatorOf(service);
      const parts = new GatewayParts(service);
      await startGatewayLife(service, parts);
      return {
        module: GatewayModule,
        controllers: [
          DocumentsController,
          SubmitController,
          ValidateController,
          RunsController,
          LabelStreamController,
          StreamTicketController,
          CommandsController,
          PlanController,
          TasksController,
          RegistryController,
        ],
        providers: [
          { provide: GatewayParts, useValue: parts },
          { provide: APP_GUARD, useClass: OperationGuard },
        ],
      };
    },
    configure: (app, service) => {
      const { config } = service;
      // After the scaffold's own, so that this one is asked first.
      app.useGlobalFilters(new GatewayProblemFilter(service.log));
      app.use(envelopeMiddleware(config));
      app.use(requestSpan);
      const { tickets } = app.get(GatewayParts);
      const { corsOrigins } = config;
      const limit = new RateLimit(config.rateLimit);
      app.use(callerMiddleware({ authenticator: authenticator!, tickets, limit, corsOrigins }));
      app.use(bodyMiddleware(config.bodyLimit));
    },
  };
}

/** Without keys the gateway serves this machine only. */
export function authenticatorOf({ config }: Pick<ServiceContext<GatewayConfig>, 'config'>): Authenticator {
  const keys = config.apiKeys === undefined ? undefined : new ApiKeyRing(readApiKeys(config.apiKeys));
  const jwt =
    config.jwksUrl === undefined
      ? undefined
      : { jwksUrl: config.jwksUrl, issuer: config.jwtIssuer, audience: config.jwtAudience };
  const authenticator = new Authenticator(keys, jwt);
  if (authenticator.open && !isLoopback(config.host)) {
    throw new UnsuitableServer(
      `refusing to serve ${config.host} to everybody: set FLEX_API_KEYS or FLEX_JWKS_URL, or listen on 127.0.0.1`,
    );
  }
  return authenticator;
}

const isLoopback = (host: string): boolean => host === 'localhost' || host === '::1' || host.startsWith('127.');
