import { Catch, type ExceptionFilter } from '@nestjs/common';
import { EventPattern, Server, type CustomTransportStrategy, type MessageHandler } from '@nestjs/microservices';
import { isObservable, lastValueFrom, throwError, type Observable } from 'rxjs';
import { everySubject, type EventType } from '@flex/contracts';
import type { EventLog } from '../event-log.js';
import type { LogEvent } from '../stored-message.js';
import type { Worker, WorkOptions } from '../work.js';

/** Names the transport in decorators; without it, a hybrid application binds a handler to every transport it has. */
export const JETSTREAM = Symbol('flex.jetstream');

/** How a pattern is consumed, where the defaults do not fit. */
export type JetStreamExtras = Partial<
  Pick<
    WorkOptions,
    'durable' | 'filters' | 'concurrency' | 'prefetch' | 'ackWaitMs' | 'maxDeliver' | 'backoffMs' | 'startAt'
  >
>;

/** Marks a method as the handler of an event type: `@EventPattern` on this transport, with the type's name checked. */
export const OnEvent = (type: EventType, extras: JetStreamExtras = {}): MethodDecorator =>
  EventPattern<string>(type, JETSTREAM, extras);

export interface JetStreamStrategyOptions {
  log: EventLog;
  /** Prefix of the durable consumers' names: all replicas of one service share them. */
  service: string;
  defaults?: JetStreamExtras;
  onFailure?: WorkOptions['onFailure'];
  /** How long handlers may take to finish when the application closes. */
  patienceMs?: number;
}

/** What a handler gets with `@Ctx()`. */
export class JetStreamContext {
  constructor(
    readonly event: LogEvent,
    readonly attempt: number,
    /** Aborted when the service stops and its patience has ended. */
    readonly signal: AbortSignal,
  ) {}
}

/**
 * Nest's event handlers on the log: `@OnEvent('plan.requested')` becomes a durable consumer that the replicas
 * of the service share. A handler that resolves has done the work; a ContractViolation goes to the dead letters, any
 * other error is tried again. Needs {@link RethrowFilter} on the microservice.
 */
export class JetStreamStrategy extends Server implements CustomTransportStrategy {
  override transportId = JETSTREAM;
  /** Failures are settled here (retry, dead letter) and reported by `onFailure`. */
  override readonly propagatesEventHandlerErrors = true;
  readonly #options: JetStreamStrategyOptions;
  #workers: Worker[] = [];

  constructor(options: JetStreamStrategyOptions) {
    super();
    this.#options = options;
  }

  listen(done: (error?: unknown) => void): void {
    void this.#listen(done);
  }

  /** Takes nothing new and waits for the handlers. */
  async close(): Promise<void> {
    await Promise.all(this.#workers.map((worker) => worker.stop(this.#options.patienceMs)));
    this.#workers = [];
  }

  override on(): never {
    throw new Error('the JetStream transport has no events of its own: use onFailure');
  }

  override unwrap<T>(): T {
    return this.#options.log as T;
  }

  async #listen(done: (error?: unknown) => void): Promise<void> {
    try {
      await this.#start();
    } catch (error) {
      return done(error);
    }
    done();
  }

  async #start(): Promise<void> {
    for (const [pattern, handler] of this.messageHandlers) this.#workers.push(this.#consume(pattern, handler));
    await Promise.all(this.#workers.map(({ ready }) => ready));
  }

  #consume(pattern: string, handler: MessageHandler): Worker {
    const { log, service, defaults, onFailure } = this.#options;
    const extras = { ...defaults, ...(handler.extras as JetStreamExtras | undefined) };
    return log.work({
      ...extras,
      durable: extras.durable ?? `${service}-${pattern.replaceAll(/[^A-Za-z0-9_-]/g, '-')}`,
      filters: extras.filters ?? [everySubject(pattern as EventType)],
      onFailure,
      handler: (event, { attempt, signal }) => settle(handler, event, new JetStreamContext(event, attempt, signal)),
    });
  }
}

/** Runs the handlers of a pattern one after another; each must be done before the event counts as done. */
async function settle(first: MessageHandler, event: LogEvent, context: JetStreamContext): Promise<void> {
  for (let handler: MessageHandler | undefined = first; handler; handler = handler.next as MessageHandler | undefined) {
    const result: unknown = await handler(event, context);
    if (isObservable(result)) await lastValueFrom(result, { defaultValue: undefined });
  }
}

/**
 * Hands a handler's error on as it is. Nest's own filter replaces every error by "Internal server error" before a
 * strategy sees it, which would make a broken contract look like a fault worth retrying.
 */
@Catch()
export class RethrowFilter implements ExceptionFilter {
  catch(error: unknown): Observable<never> {
    return throwError(() => error);
  }
}
