import 'reflect-metadata';
import {
  Module,
  type DynamicModule,
  type INestApplication,
  type NestApplicationOptions,
  type Type,
} from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { ExpressAdapter, type NestExpressApplication } from '@nestjs/platform-express';
import { randomBytes } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { reasonOf, UnsuitableServer } from '../errors.js';
import { DatabaseConfig, readConfiguration, type Environment, type ServiceConfig } from './configuration.js';
import { connectAll, type Connections } from './connections.js';
import { ServiceContext } from './context.js';
import { Drain } from './drain.js';
import { HealthServer } from './health-server.js';
import { createLogger, NestLogger } from './logger.js';
import { ProblemFilter } from './problem-filter.js';
import { Readiness } from './readiness.js';
import type { WarmUpJob } from './warm-up.js';
import { startTelemetry } from './telemetry.js';

export interface ServiceOptions<C extends ServiceConfig> {
  name: string;
  /** Read from the environment once. A class that extends DatabaseConfig gets a Postgres pool. */
  config: new () => C;
  /** The service's module, or a function that makes it once NATS and Postgres are there. */
  module: Type | ((service: ServiceContext<C>) => Type | DynamicModule | Promise<Type | DynamicModule>);
  nest?: NestApplicationOptions;
  /** Before the application is initialised: middleware, body parsers, microservice transports. */
  configure?: (app: NestExpressApplication, service: ServiceContext<C>) => void | Promise<void>;
  tls?: (config: C) => { certFile: string; keyFile: string } | undefined;
  /** What is slow the first time, done in the background by a process that has come up. */
  warmUp?: Iterable<WarmUpJob>;
  env?: Environment;
  /** Ends the wait for NATS and Postgres. */
  signal?: AbortSignal;
}

export interface RunningService<C extends ServiceConfig = ServiceConfig> {
  readonly context: ServiceContext<C>;
  readonly app: INestApplication;
  readonly port: number;
  readonly url: string;
  /** Drains and closes everything; false when that took too long and was cut short. */
  stop(): Promise<boolean>;
}

const DRAIN_TIMEOUT_MS = 10_000;
const HTTP_GRACE_MS = 3_000;

/** Boots a service inside this process; {@link startService} adds what a process of its own needs. */
export async function bootService<C extends ServiceConfig>(options: ServiceOptions<C>): Promise<RunningService<C>> {
  const env = options.env ?? process.env;
  const config = readConfiguration(options.config, env);
  const instance = config.instance ?? `${options.name}-${randomBytes(4).toString('hex')}`;
  const telemetry = await startTelemetry(options.name, instance, env);
  const log = createLogger(options.name, instance, config.logLevel);
  const readiness = new Readiness();
  const drain = new Drain();
  const http = new HealthServer(readiness, options.tls?.(config));
  await listen(http, config);
  let connections: Connections | undefined;
  try {
    connections = await connectAll(options.name, config, log, readiness, options.signal);
    const { nc, shape, store } = connections;
    const context = new ServiceContext(options.name, instance, config, log, readiness, drain, nc, shape, store);
    const app = await bootNest(options, context);
    http.serve(app.getHttpAdapter().getInstance() as (request: IncomingMessage, response: ServerResponse) => void);
    log.info({ port: http.port, database: config instanceof DatabaseConfig }, 'service is up');
    const stop = once(() => end({ context, app, http, connections: connections!, telemetry }));
    const scheme = options.tls?.(config) ? 'https' : 'http';
    return { context, app, port: http.port, url: `${scheme}://${config.host}:${http.port}`, stop };
  } catch (error) {
    await Promise.allSettled([http.close(0), connections?.close(), telemetry.stop()]);
    throw error;
  }
}

async function listen(http: HealthServer, config: ServiceConfig): Promise<void> {
  try {
    await http.listen(config.port, config.host);
  } catch (error) {
    const taken = (error as { code?: string }).code === 'EADDRINUSE';
    const reason = taken ? 'the port is taken; set PORT to a free one' : reasonOf(error);
    throw new UnsuitableServer(`cannot listen on ${config.host}:${config.port}: ${reason}`, { cause: error });
  }
}

async function bootNest<C extends ServiceConfig>(
  options: ServiceOptions<C>,
  context: ServiceContext<C>,
): Promise<NestExpressApplication> {
  const service = isClass(options.module) ? options.module : await options.module(context);
  const provider = { provide: ServiceContext, useValue: context };
  const root: DynamicModule = {
    module: class ServiceRoot {},
    imports: [
      { module: ServiceContextModule, global: true, providers: [provider], exports: [ServiceContext] },
      service,
    ],
  };
  Module({})(root.module);
  const app = await NestFactory.create<NestExpressApplication>(root, new ExpressAdapter(), {
    logger: new NestLogger(context.log),
    abortOnError: false,
    bodyParser: true,
    ...options.nest,
  });
  app.useGlobalFilters(new ProblemFilter(context.log));
  app.getHttpAdapter().getInstance().disable?.('x-powered-by');
  await options.configure?.(app, context);
  await app.init();
  await app.startAllMicroservices();
  return app;
}

@Module({})
class ServiceContextModule {}

const isClass = (value: unknown): value is Type =>
  typeof value === 'function' && /^class\b/.test(Function.prototype.toString.call(value));

interface Ending {
  context: ServiceContext<ServiceConfig>;
  app: INestApplication;
  http: HealthServer;
  connections: Connections;
  telemetry: { stop(): Promise<void> };
}

async function end(service: Ending): Promise<boolean> {
  const { context } = service;
  context.log.info('draining');
  const cut = new AbortController();
  const clean = await Promise.race([
    inOrder(service).then(() => true),
    delay(DRAIN_TIMEOUT_MS, false, { signal: cut.signal, ref: true }),
  ]);
  cut.abort();
  if (!clean) context.log.warn({ seconds: DRAIN_TIMEOUT_MS / 1000 }, 'draining took too long and was cut short');
  else context.log.info('drained');
  return clean;
}

async function inOrder({ context, app, http, connections, telemetry }: Ending): Promise<void> {
  const { drain, log } = context;
  http.drain();
  drain.begin();
  await Promise.all([drain.run('accept', log), http.close(HTTP_GRACE_MS)]);
  await drain.run('consume', log);
  await drain.run('work', log);
  await app.close().catch((error: unknown) => log.warn({ reason: reasonOf(error) }, 'closing the application failed'));
  await drain.run('close', log);
  await connections.close();
  await telemetry.stop();
}

function once<T>(run: () => Promise<T>): () => Promise<T> {
  let result: Promise<T> | undefined;
  return () => (result ??= run());
}
