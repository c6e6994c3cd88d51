import { context, propagation, trace } from '@opentelemetry/api';
import { NodeSDK } from '@opentelemetry/sdk-node';
import { withinTrace } from './event-trace.js';

const traceId = '0af7651916cd43dd8448eb211c80319c';
const event = { runId: 'run-1', traceparent: `00-${traceId}-b7ad6b7169203331-01` };

describe('the trace of an event', () => {
  it('passes through untouched when telemetry is off', async () => {
    expect(await withinTrace(event, 'plan', (traceparent) => Promise.resolve(traceparent))).toBe(event.traceparent);
    expect(await withinTrace({ runId: 'r' }, 'plan', (traceparent) => Promise.resolve(traceparent))).toBeUndefined();
  });

  it('is continued by a span of ours when telemetry is on, also after an error', async () => {
    const spans: { name: string; spanContext(): { traceId: string; spanId: string } }[] = [];
    const done = (): Promise<void> => Promise.resolve();
    const sdk = new NodeSDK({
      spanProcessors: [
        { onStart: () => undefined, onEnd: (span) => spans.push(span), forceFlush: done, shutdown: done },
      ],
      metricReaders: [],
      logRecordProcessors: [],
      instrumentations: [],
      resourceDetectors: [],
    });
    sdk.start();
    try {
      const traceparent = await withinTrace(event, 'plan', (own) => Promise.resolve(own));
      await expect(withinTrace(event, 'plan', () => Promise.reject(new Error('no')))).rejects.toThrow('no');
      expect(spans.map(({ name }) => name)).toEqual(['plan', 'plan']);
      expect(traceparent).toBe(`00-${traceId}-${spans[0]!.spanContext().spanId}-01`);
    } finally {
      await sdk.shutdown();
      trace.disable();
      propagation.disable();
      context.disable();
    }
  });
});
