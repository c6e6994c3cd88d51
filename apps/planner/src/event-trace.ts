import { context, propagation, ROOT_CONTEXT, SpanKind, trace } from '@opentelemetry/api';

const TRACER = 'flex-planner';

/**
 * Runs the handling of an event in a span that continues the event's trace, and hands on the `traceparent` for what is
 * appended from within. With telemetry off, the trace passes through untouched.
 */
export async function withinTrace<T>(
  event: { runId: string; traceparent?: string },
  name: string,
  handle: (traceparent: string | undefined) => Promise<T>,
): Promise<T> {
  const carrier = event.traceparent ? { traceparent: event.traceparent } : {};
  const parent = propagation.extract(ROOT_CONTEXT, carrier);
  const options = { kind: SpanKind.CONSUMER, attributes: { 'flex.run_id': event.runId } };
  return trace.getTracer(TRACER).startActiveSpan(name, options, parent, async (span) => {
    const outgoing: { traceparent?: string } = {};
    propagation.inject(context.active(), outgoing);
    try {
      return await handle(outgoing.traceparent ?? event.traceparent);
    } finally {
      span.end();
    }
  });
}
