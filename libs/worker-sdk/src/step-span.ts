import { context, propagation, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';
import type { Capability } from '@flex/contracts';
import { currentTraceparent, type LogEvent } from '@flex/events';

/**
 * Runs a step inside a span that continues the run's trace (the consumer has made that one active). Costs nothing when
 * telemetry is off; the handler then sees the trace context as it came.
 */
export function inSpan<T>(
  event: LogEvent<'node.dispatched'>,
  capability: Capability,
  run: (traceparent: string | undefined) => Promise<T>,
): Promise<T> {
  if (propagation.fields().length === 0) return run(event.traceparent);
  const { capabilityId } = capability;
  // Asked for here: a tracer that is asked for before telemetry has started does nothing for ever.
  return trace
    .getTracer('flex-worker')
    .startActiveSpan(`execute ${capabilityId}`, { kind: SpanKind.INTERNAL }, context.active(), async (span) => {
      span.setAttributes({
        'flex.run_id': event.runId,
        'flex.node_id': event.data.nodeId,
        'flex.attempt': event.data.attempt,
        'flex.capability_id': capabilityId,
      });
      try {
        return await run(currentTraceparent() ?? event.traceparent);
      } catch (error) {
        span.setStatus({ code: SpanStatusCode.ERROR, message: error instanceof Error ? error.message : String(error) });
        throw error;
      } finally {
        span.end();
      }
    });
}
