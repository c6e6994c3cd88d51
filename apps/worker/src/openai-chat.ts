import { setTimeout as delay } from 'node:timers/promises';
import { SpanKind, SpanStatusCode, trace, type Span } from '@opentelemetry/api';
import OpenAI, { APIConnectionError, APIError } from 'openai';
import type { JsonSchema } from '@flex/contracts';
import { FatalError, RetryableError } from '@flex/worker-sdk';
import type { Message } from './core/model-prompt.js';
import { isStrict } from './core/structured-output.js';

export interface OpenAiChatOptions {
  baseUrl?: string;
  apiKey?: string;
  /** How long one call may take. */
  callTimeoutMs: number;
  maxRetries: number;
  retryMs: number;
  maxOutputTokens: number;
  responseFormat: 'json_schema' | 'json_object';
}

export interface ChatQuestion {
  model: string;
  messages: Message[];
  schemaName: string;
  schema: JsonSchema | undefined;
  /** The step's deadline and cancellation. */
  signal: AbortSignal;
  /** Pieces of the answer as they come. */
  onText: (piece: string) => void;
  /** Told after every call, also one that failed after it had cost something. */
  onUsage: (usage: { inputTokens: number; outputTokens: number }) => void;
}

const LONGEST_PAUSE_MS = 20_000;

/**
 * One question to a model behind an endpoint that speaks the OpenAI chat API. Answers are streamed. Busy endpoints,
 * broken streams and timeouts are tried again here; what then still fails is an error that says whether the step may be.
 */
export class OpenAiChat {
  readonly #client: OpenAI;

  constructor(private readonly options: OpenAiChatOptions) {
    this.#client = new OpenAI({
      // Local endpoints want no key, the client wants one.
      apiKey: options.apiKey ?? 'none',
      ...(options.baseUrl ? { baseURL: options.baseUrl } : {}),
      maxRetries: 0,
      timeout: options.callTimeoutMs,
      logLevel: 'off',
    });
  }

  async ask(question: ChatQuestion): Promise<string> {
    for (let attempt = 0; ; attempt += 1) {
      try {
        return await this.#traced(question);
      } catch (error) {
        question.signal.throwIfAborted();
        const { failure, pauseMs } = classify(error);
        if (pauseMs === undefined || attempt >= this.options.maxRetries) throw failure;
        const pause = Math.max(pauseMs, this.options.retryMs * 2 ** attempt * (0.75 + Math.random() / 2));
        // An endpoint that wants a longer pause gets it from the orchestrator, which holds no step open for it.
        if (pause > LONGEST_PAUSE_MS) throw failure;
        await delay(pause, undefined, { signal: question.signal });
      }
    }
  }

  #traced(question: ChatQuestion): Promise<string> {
    const { hostname, port } = new URL(this.#client.baseURL);
    const attributes = {
      'gen_ai.operation.name': 'chat',
      'gen_ai.provider.name': 'openai',
      'gen_ai.request.model': question.model,
      'gen_ai.output.type': 'json',
      'server.address': hostname,
      ...(port ? { 'server.port': Number(port) } : {}),
    };
    const options = { kind: SpanKind.CLIENT, attributes };
    return trace.getTracer('flex-worker').startActiveSpan(`chat ${question.model}`, options, async (span) => {
      try {
        return await this.#call(question, span);
      } catch (error) {
        span.setAttribute('error.type', error instanceof APIError ? String(error.status) : (error as Error).name);
        span.setStatus({ code: SpanStatusCode.ERROR });
        throw error;
      } finally {
        span.end();
      }
    });
  }

  async #call(question: ChatQuestion, span: Span): Promise<string> {
    const late = AbortSignal.timeout(this.options.callTimeoutMs);
    const answer = { text: '', refusal: '', finish: '' };
    try {
      const stream = await this.#client.chat.completions.create(this.#body(question), {
        signal: AbortSignal.any([question.signal, late]),
      });
      for await (const chunk of stream) {
        if (chunk.usage) {
          const usage = { inputTokens: chunk.usage.prompt_tokens, outputTokens: chunk.usage.completion_tokens };
          span.setAttributes({
            'gen_ai.usage.input_tokens': usage.inputTokens,
            'gen_ai.usage.output_tokens': usage.outputTokens,
          });
          question.onUsage(usage);
        }
        const choice = chunk.choices?.[0];
        if (!choice) continue;
        const piece = choice.delta?.content ?? '';
        answer.text += piece;
        answer.refusal += choice.delta?.refusal ?? '';
        answer.finish = choice.finish_reason ?? answer.finish;
        if (piece !== '') question.onText(piece);
      }
    } catch (error) {
      if (late.aborted && !question.signal.aborted) throw new TimedOut(this.options.callTimeoutMs);
      throw error;
    }
    if (late.aborted) throw new TimedOut(this.options.callTimeoutMs);
    return judge(answer);
  }

  #body({ model, messages, schemaName, schema }: ChatQuestion): OpenAI.Chat.ChatCompletionCreateParamsStreaming {
    const structured =
      this.options.responseFormat === 'json_schema' && schema !== undefined && typeof schema === 'object';
    return {
      model,
      messages,
      response_format: structured
        ? { type: 'json_schema', json_schema: { name: schemaName, schema, strict: isStrict(schema) } }
        : { type: 'json_object' },
      max_completion_tokens: this.options.maxOutputTokens,
      stream: true,
      stream_options: { include_usage: true },
    };
  }
}

class TimedOut extends Error {
  override readonly name = 'TimedOut';
  constructor(readonly milliseconds: number) {
    super(`The model gave no complete answer within ${milliseconds} ms`);
  }
}

class BrokenOff extends Error {
  override readonly name = 'BrokenOff';
}

function judge({ text, refusal, finish }: { text: string; refusal: string; finish: string }): string {
  if (refusal !== '' || finish === 'content_filter') {
    throw new FatalError(`The model refused: ${refusal === '' ? 'a content filter' : refusal.slice(0, 300)}`, {
      code: 'MODEL_REFUSED',
    });
  }
  if (finish === '') throw new BrokenOff("The model's answer broke off before its end");
  if (finish === 'length') {
    throw new RetryableError("The model's answer exceeded the output limit and was cut off", {
      code: 'MODEL_TRUNCATED',
    });
  }
  return text;
}

/** What a failed call means for the step; `pauseMs` when another call may help now. Bodies may quote keys: not repeated. */
function classify(error: unknown): { failure: Error; pauseMs?: number } {
  if (error instanceof RetryableError) return { failure: error };
  if (error instanceof TimedOut)
    return { failure: new RetryableError(error.message, { code: 'MODEL_TIMEOUT' }), pauseMs: 0 };
  if (error instanceof BrokenOff)
    return { failure: new RetryableError(error.message, { code: 'MODEL_UNAVAILABLE' }), pauseMs: 0 };
  if (error instanceof APIConnectionError || !(error instanceof APIError) || error.status === undefined) {
    const failure = new RetryableError('The model endpoint could not be reached', { code: 'MODEL_UNAVAILABLE' });
    return { failure, pauseMs: 0 };
  }
  const { status, code } = error;
  if (status === 429 && code !== 'insufficient_quota') {
    const failure = new RetryableError('The model endpoint limits the rate of requests', { code: 'RATE_LIMITED' });
    return { failure, pauseMs: retryAfterMs(error.headers) };
  }
  if (status === 408 || status === 409 || status >= 500) {
    const failure = new RetryableError(`The model endpoint failed (status ${status})`, { code: 'MODEL_UNAVAILABLE' });
    return { failure, pauseMs: retryAfterMs(error.headers) };
  }
  const detail = typeof code === 'string' ? `, ${code.slice(0, 80)}` : '';
  return {
    failure: new FatalError(`The model endpoint refused the request (status ${status}${detail})`, {
      code: 'MODEL_MISCONFIGURED',
    }),
  };
}

/** 0 when the endpoint does not say. */
function retryAfterMs(headers: Headers | undefined): number {
  const milliseconds = Number(headers?.get('retry-after-ms') ?? Number.NaN);
  if (Number.isFinite(milliseconds)) return milliseconds;
  const text = headers?.get('retry-after') ?? '';
  if (text === '') return 0;
  if (Number.isFinite(Number(text))) return Number(text) * 1000;
  const until = Date.parse(text) - Date.now();
  return Number.isNaN(until) ? 0 : Math.max(0, until);
}
