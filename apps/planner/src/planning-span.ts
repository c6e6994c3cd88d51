import { SpanKind, SpanStatusCode, trace, type Attributes } from '@opentelemetry/api';
import { currentTraceparent } from '@flex/events';

/** Runs something in a span of the trace that is active, and hands it the `traceparent` for what it appends. */
export async function withinSpan<T>(
  name: string,
  attributes: Attributes,
  run: (traceparent: string | undefined) => Promise<T>,
): Promise<T> {
  return trace
    .getTracer('flex-planner')
    .startActiveSpan(name, { kind: SpanKind.INTERNAL, attributes }, async (span) => {
      try {
        return await run(currentTraceparent());
      } catch (error) {
        span.setStatus({ code: SpanStatusCode.ERROR });
        throw error;
      } finally {
        span.end();
      }
    });
}
