import {
  context,
  propagation,
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  trace,
  type Attributes,
  type Context,
} from '@opentelemetry/api';

interface Traced {
  type: string;
  runId: string;
  traceparent?: string;
}

const tracer = () => trace.getTracer('flex-events');

/** Whether spans go anywhere. When telemetry is off, events carry the `traceparent` that they were given, unchanged. */
export const isTracing = (): boolean => propagation.fields().length > 0;

/** W3C `traceparent` of the span that is active here; undefined outside of one, and when telemetry is off. */
export function currentTraceparent(active = context.active()): string | undefined {
  if (active === ROOT_CONTEXT) return undefined;
  const carrier: { traceparent?: string } = {};
  propagation.inject(active, carrier);
  return carrier.traceparent;
}

/**
 * Handles an event of a trace in a span of its own, `process <type>`, which is active meanwhile. Costs nothing when
 * telemetry is off.
 */
export function processing<T>(event: Traced, run: () => Promise<T> | T): Promise<T> | T {
  if (!isTracing() || !event.traceparent) return run();
  const options = { kind: SpanKind.CONSUMER, attributes: messaging(event, 'process') };
  return tracer().startActiveSpan(`process ${event.type}`, options, contextOf(event.traceparent), async (span) => {
    try {
      return await run();
    } catch (error) {
      span.setStatus({ code: SpanStatusCode.ERROR, message: error instanceof Error ? error.message : String(error) });
      throw error;
    } finally {
      span.end();
    }
  });
}

/**
 * Appends an event of a trace in a span `send <type>` that lasts until the log has it; whoever reads the event goes on
 * from that span. The trace is the event's own, else the one that is active; without either there is no span.
 */
export function sending<E extends Traced, T>(event: E, append: (event: E) => Promise<T>): Promise<T> {
  if (!isTracing()) return append(event);
  const parent = event.traceparent ? contextOf(event.traceparent) : context.active();
  if (!trace.getSpanContext(parent)) return append(event);
  const options = { kind: SpanKind.PRODUCER, attributes: messaging(event, 'send') };
  const span = tracer().startSpan(`send ${event.type}`, options, parent);
  const traceparent = currentTraceparent(trace.setSpan(parent, span));
  return append({ ...event, traceparent })
    .catch((error: unknown) => {
      span.setStatus({ code: SpanStatusCode.ERROR, message: error instanceof Error ? error.message : String(error) });
      throw error;
    })
    .finally(() => span.end());
}

/** The context that a stored `traceparent` stands for. */
export const contextOf = (traceparent: string): Context => propagation.extract(ROOT_CONTEXT, { traceparent });

/** By the semantic conventions for messaging. */
const messaging = ({ type, runId }: Traced, operation: 'send' | 'process'): Attributes => ({
  'messaging.system': 'nats',
  'messaging.operation.type': operation,
  'messaging.operation.name': operation,
  'messaging.destination.name': type,
  'flex.run_id': runId,
});
