import {
  context,
  isSpanContextValid,
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  trace,
  type SpanContext,
} from '@opentelemetry/api';
import type { Capability } from '@flex/contracts';
import type { LogEvent } from '@flex/events';

const tracer = trace.getTracer('flex-worker');

/**
 * Runs a step inside a span that continues the run's trace. Without OpenTelemetry this costs next to nothing, and the
 * handler sees the trace context as it came.
 */
export async function inSpan<T>(
  event: LogEvent<'node.dispatched'>,
  capability: Capability,
  run: (traceparent: string | undefined) => Promise<T>,
): Promise<T> {
  const { traceparent } = event;
  const parent = parse(traceparent);
  const outer = parent ? trace.setSpanContext(ROOT_CONTEXT, parent) : ROOT_CONTEXT;
  const span = tracer.startSpan(`execute ${capability.capabilityId}`, { kind: SpanKind.CONSUMER }, outer);
  if (!span.isRecording()) return run(traceparent);
  span.setAttributes({
    'flex.run_id': event.runId,
    'flex.node_id': event.data.nodeId,
    'flex.attempt': event.data.attempt,
    'flex.capability_id': capability.capabilityId,
    'gen_ai.operation.name': 'execute_tool',
  });
  try {
    const { traceId, spanId, traceFlags } = span.spanContext();
    const own = `00-${traceId}-${spanId}-${traceFlags.toString(16).padStart(2, '0')}`;
    return await context.with(trace.setSpan(outer, span), () => run(own));
  } catch (error) {
    span.setStatus({ code: SpanStatusCode.ERROR, message: error instanceof Error ? error.message : String(error) });
    throw error;
  } finally {
    span.end();
  }
}

function parse(traceparent: string | undefined): SpanContext | undefined {
  const parts = traceparent?.split('-');
  if (!parts || parts.length < 4) return undefined;
  const spanContext = {
    traceId: parts[1]!,
    spanId: parts[2]!,
    traceFlags: Number.parseInt(parts[3]!, 16),
    isRemote: true,
  };
  return isSpanContextValid(spanContext) ? spanContext : undefined;
}
