import { trace } from '@opentelemetry/api';
import { NodeSDK } from '@opentelemetry/sdk-node';
import { startOpenAiServer, type OpenAiServer } from '../../../e2e/openai-server.js';
import { OpenAiModel, type OpenAiModelOptions } from './openai-model.js';

const question = { system: 'You plan.', user: 'Plan this.', phase: 'initial' as const };
const never = new AbortController().signal;

describe('a model behind an OpenAI-compatible endpoint', () => {
  let server: OpenAiServer;
  const model = (rest: Partial<OpenAiModelOptions> = {}): OpenAiModel =>
    new OpenAiModel({
      model: 'test-model',
      baseUrl: server.url,
      apiKey: 'sk-secret',
      callTimeoutMs: 2_000,
      deadlineMs: 5_000,
      retry: { maxRetries: 2, baseMs: 5, maxMs: 20 },
      maxOutputTokens: 1000,
      responseFormat: 'json_schema',
      ...rest,
    });
  beforeAll(async () => void (server = await startOpenAiServer()));
  beforeEach(() => server.reset());
  afterAll(() => server.stop());

  it('answers in structured output and counts usage', async () => {
    server.script({ json: { nodes: [], edges: [] }, usage: { inputTokens: 812, outputTokens: 34 } });
    expect(await model().ask(question, never)).toEqual({
      ok: true,
      text: '{"nodes":[],"edges":[]}',
      usage: { inputTokens: 812, outputTokens: 34 },
      model: 'test-model',
    });
    const [request] = server.requests;
    expect(request?.headers['authorization']).toBe('Bearer sk-secret');
    expect(request?.body).toMatchObject({
      model: 'test-model',
      stream: true,
      max_completion_tokens: 1000,
      messages: [
        { role: 'system', content: 'You plan.' },
        { role: 'user', content: 'Plan this.' },
      ],
      response_format: { type: 'json_schema', json_schema: { name: 'flex_planner_draft', strict: true } },
    });
  });

  it('puts the schema into the prompt where the endpoint knows no structured output', async () => {
    server.script({ json: {} });
    await model({ responseFormat: 'json_object' }).ask({ ...question, phase: 'replan' }, never);
    const body = server.requests[0]?.body;
    expect(body?.response_format).toEqual({ type: 'json_object' });
    expect(body?.messages[0]?.content).toContain('"operations"');
  });

  it('waits as long as Retry-After says, and tries again', async () => {
    server.script({ status: 429, headers: { 'retry-after-ms': '300' } }, { json: { nodes: [] } });
    expect(await model().ask(question, never)).toMatchObject({ ok: true });
    const [first, second] = server.requests;
    expect((second?.at ?? 0) - (first?.at ?? 0)).toBeGreaterThanOrEqual(295);
  });

  it('gives up at once when the server wants a pause beyond the deadline', async () => {
    server.script({ status: 429, headers: { 'retry-after': '3600' } });
    expect(await model().ask(question, never)).toMatchObject({
      ok: false,
      failure: { kind: 'unavailable', message: 'The model endpoint limits the rate of requests (status 429)' },
    });
    expect(server.requests).toHaveLength(1);
  });

  it.each([
    ['5xx', { status: 503 }, 'failed (status 503) (3 calls)'],
    ['a stream that ends without an end', { truncated: '{"nodes":[' }, 'broke off before its end (3 calls)'],
    ['a connection that breaks', { truncated: '{"nodes":[', by: 'reset' as const }, '(3 calls)'],
  ])('retries %s, then is unavailable', async (_name, reply, message) => {
    server.respond(() => reply);
    expect(await model().ask(question, never)).toMatchObject({
      ok: false,
      failure: { kind: 'unavailable', message: expect.stringContaining(message) },
    });
    expect(server.requests).toHaveLength(3);
  });

  it('does not wait for ever for an endpoint that is silent', async () => {
    server.respond(() => ({ hang: true }));
    const started = Date.now();
    const answer = await model({ callTimeoutMs: 100, retry: { maxRetries: 1, baseMs: 1, maxMs: 1 } }).ask(
      question,
      never,
    );
    expect(answer).toMatchObject({
      ok: false,
      failure: { kind: 'unavailable', message: 'The model gave no complete answer within 100 ms (2 calls)' },
    });
    expect(Date.now() - started).toBeLessThan(2_000);
  });

  it.each([
    ['a refusal', { refusal: 'I will not.' }, 'refused', 'The model refused to plan: I will not.'],
    ['a content filter', { text: '', finish: 'content_filter' as const }, 'refused', 'a content filter'],
    ['an answer over the output limit', { text: '{"nodes":[', finish: 'length' as const }, 'truncated', 'output limit'],
    ['an empty answer', { text: ' ' }, 'malformed', 'nothing'],
    [
      'a wrong key',
      { status: 401, code: 'invalid_api_key', message: 'Incorrect API key: sk-secret' },
      'misconfigured',
      '401',
    ],
    ['a used-up quota', { status: 429, code: 'insufficient_quota' }, 'unavailable', 'quota'],
  ])('tells apart %s, without a retry', async (_name, reply, kind, message) => {
    server.respond(() => reply);
    const answer = await model().ask(question, never);
    expect(answer).toMatchObject({ ok: false, failure: { kind, message: expect.stringContaining(message) } });
    expect(JSON.stringify(answer)).not.toContain('sk-secret');
    expect(server.requests).toHaveLength(1);
  });

  it('is unavailable when nobody listens', async () => {
    const answer = await model({ baseUrl: 'http://127.0.0.1:1/v1' }).ask(question, never);
    expect(answer).toMatchObject({ ok: false, failure: { kind: 'unavailable' } });
  });

  it('adds up the usage of all calls, also of those that were refused', async () => {
    server.script({ status: 500 }, { refusal: 'no', usage: { inputTokens: 50, outputTokens: 3 } });
    expect(await model().ask(question, never)).toMatchObject({ usage: { inputTokens: 50, outputTokens: 3 } });
  });

  it('stops when the service stops', async () => {
    server.respond(() => ({ hang: true }));
    const stop = new AbortController();
    const asking = model().ask(question, stop.signal);
    setTimeout(() => stop.abort(), 50);
    await expect(asking).rejects.toThrow();
  });

  it('reports spans by the semantic conventions for generative AI', async () => {
    const spans: { name: string; attributes: Record<string, unknown> }[] = [];
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
      server.script({ json: {}, usage: { inputTokens: 11, outputTokens: 7 } }, { refusal: 'no' });
      await model({ temperature: 0.2 }).ask(question, never);
      await model().ask(question, never);
      const [good, refused] = spans;
      expect(good?.name).toBe('chat test-model');
      expect(good?.attributes).toEqual({
        'gen_ai.operation.name': 'chat',
        'gen_ai.provider.name': 'openai',
        'gen_ai.output.type': 'json',
        'gen_ai.request.model': 'test-model',
        'gen_ai.request.max_tokens': 1000,
        'gen_ai.request.temperature': 0.2,
        'gen_ai.response.model': 'test-model',
        'gen_ai.response.id': 'chatcmpl-scripted',
        'gen_ai.response.finish_reasons': ['stop'],
        'gen_ai.usage.input_tokens': 11,
        'gen_ai.usage.output_tokens': 7,
        'server.address': '127.0.0.1',
        'server.port': server.port,
      });
      expect(refused?.attributes['error.type']).toBe('refused');
    } finally {
      await sdk.shutdown();
      trace.disable();
    }
  });
});
