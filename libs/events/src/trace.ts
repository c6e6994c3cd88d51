import { context, propagation, ROOT_CONTEXT } from '@opentelemetry/api';

/** W3C `traceparent` of the span that is active here; undefined outside of one, and when telemetry is off. */
export function currentTraceparent(): string | undefined {
  const active = context.active();
  if (active === ROOT_CONTEXT) return undefined;
  const carrier: { traceparent?: string } = {};
  propagation.inject(active, carrier);
  return carrier.traceparent;
}

/** Runs something as a part of the trace that an event belongs to. Costs nothing when telemetry is off. */
export function withinTraceOf<T>(event: { traceparent?: string }, run: () => T): T {
  const { traceparent } = event;
  if (!traceparent || propagation.fields().length === 0) return run();
  return context.with(propagation.extract(ROOT_CONTEXT, { traceparent }), run);
}
