import { context, propagation, trace } from '@opentelemetry/api';
import { NodeSDK } from '@opentelemetry/sdk-node';
import { processing } from '@flex/events';
import { withinSpan } from './planning-span.js';

const traceId = '0af7651916cd43dd8448eb211c80319c';
const event = { type: 'plan.requested', runId: 'run-1', traceparent: `00-${traceId}-b7ad6b7169203331-01` };
const span = async (): Promise<string | undefined> =>
  processing(event, () => withinSpan('plan', {}, (own) => Promise.resolve(own)));

describe('the span of planning', () => {
  it('has no traceparent of its own when telemetry is off', async () => expect(await span()).toBeUndefined());

  it('continues the trace of the event when telemetry is on, also after an error', async () => {
    const spans: { name: string; spanContext(): { traceId: string; spanId: string } }[] = [];
    const done = (): Promise<void> => Promise.resolve();
    const sdk = new NodeSDK({
      spanProcessors: [
        { onStart: () => undefined, onEnd: (ended) => spans.push(ended), forceFlush: done, shutdown: done },
      ],
      metricReaders: [],
      logRecordProcessors: [],
      instrumentations: [],
      resourceDetectors: [],
    });
    sdk.start();
    try {
      const traceparent = await span();
      await expect(withinSpan('plan', {}, () => Promise.reject(new Error('no')))).rejects.toThrow('no');
      expect(spans.map(({ name }) => name)).toEqual(['plan', 'process plan.requested', 'plan']);
      expect(traceparent).toBe(`00-${traceId}-${spans[0]!.spanContext().spanId}-01`);
    } finally {
      await sdk.shutdown();
      trace.disable();
      propagation.disable();
      context.disable();
    }
  });
});
