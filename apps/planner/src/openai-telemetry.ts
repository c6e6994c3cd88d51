import { metrics, SpanKind, SpanStatusCode, trace, type Attributes } from '@opentelemetry/api';
import type { StreamedAnswer } from './openai-answer.js';

const SCOPE = 'flex-planner';

/** Reports one call of a model by the semantic conventions for generative AI. */
export interface CallTelemetry {
  answered(answer: StreamedAnswer): void;
  failed(errorType: string): void;
}

interface CallOptions {
  model: string;
  maxOutputTokens: number;
  temperature?: number;
}

/**
 * Runs one call within its span `chat <model>` and records its duration and tokens. Prompts and answers are not recorded:
 * they hold what clients entrusted to us, and the log keeps the draft anyway.
 */
export async function tracedCall<T>(
  baseUrl: string,
  options: CallOptions,
  call: (telemetry: CallTelemetry) => Promise<T>,
): Promise<T> {
  const { hostname, port, protocol } = new URL(baseUrl);
  const common: Attributes = {
    'gen_ai.operation.name': 'chat',
    'gen_ai.provider.name': 'openai',
    'gen_ai.request.model': options.model,
    'server.address': hostname,
    'server.port': port === '' ? (protocol === 'https:' ? 443 : 80) : Number(port),
  };
  const attributes: Attributes = {
    ...common,
    'gen_ai.output.type': 'json',
    'gen_ai.request.max_tokens': options.maxOutputTokens,
    ...(options.temperature === undefined ? {} : { 'gen_ai.request.temperature': options.temperature }),
  };
  const started = performance.now();
  const spanOptions = { kind: SpanKind.CLIENT, attributes };
  return trace.getTracer(SCOPE).startActiveSpan(`chat ${options.model}`, spanOptions, async (span) => {
    let outcome: Attributes = common;
    const telemetry: CallTelemetry = {
      answered({ model, id, finish, usage }) {
        span.setAttributes({
          ...(model ? { 'gen_ai.response.model': model } : {}),
          ...(id ? { 'gen_ai.response.id': id } : {}),
          ...(finish ? { 'gen_ai.response.finish_reasons': [finish] } : {}),
          'gen_ai.usage.input_tokens': usage.inputTokens,
          'gen_ai.usage.output_tokens': usage.outputTokens,
        });
        outcome = { ...common, ...(model ? { 'gen_ai.response.model': model } : {}) };
        const tokens = metrics.getMeter(SCOPE).createHistogram('gen_ai.client.token.usage', { unit: '{token}' });
        tokens.record(usage.inputTokens, { ...outcome, 'gen_ai.token.type': 'input' });
        tokens.record(usage.outputTokens, { ...outcome, 'gen_ai.token.type': 'output' });
      },
      failed(errorType) {
        span.setAttribute('error.type', errorType);
        span.setStatus({ code: SpanStatusCode.ERROR });
        outcome = { ...outcome, 'error.type': errorType };
      },
    };
    try {
      return await call(telemetry);
    } finally {
      const seconds = (performance.now() - started) / 1000;
      metrics
        .getMeter(SCOPE)
        .createHistogram('gen_ai.client.operation.duration', { unit: 's' })
        .record(seconds, outcome);
      span.end();
    }
  });
}
