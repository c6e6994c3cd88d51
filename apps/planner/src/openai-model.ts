import { setTimeout as delay } from 'node:timers/promises';
import OpenAI, { APIConnectionError, APIError, APIUserAbortError } from 'openai';
import { answerFormat } from './core/answer-schema.js';
import type { ModelFailure } from './core/model-failure.js';
import { addUsage, noUsage, type TokenUsage } from './core/model-usage.js';
import { retryDelay, type RetryLimits } from './core/retry-delay.js';
import { readAnswer, type StreamedAnswer } from './openai-answer.js';
import { tracedCall, type CallTelemetry } from './openai-telemetry.js';
import { parseRetryAfter } from './retry-after-header.js';

export interface OpenAiModelOptions {
  model: string;
  baseUrl?: string;
  apiKey?: string;
  /** How long one call may take, from request to last token. */
  callTimeoutMs: number;
  /** How long all calls for one draft may take together, pauses included. */
  deadlineMs: number;
  retry: RetryLimits;
  maxOutputTokens: number;
  temperature?: number;
  /** `json_object` for endpoints that don't know structured output: the schema then stands in the prompt. */
  responseFormat: 'json_schema' | 'json_object';
}

export interface ModelQuestion {
  system: string;
  user: string;
  phase: 'initial' | 'replan';
}

export type ModelAnswer = { usage: TokenUsage; model: string } & (
  { ok: true; text: string } | { ok: false; failure: ModelFailure }
);

/**
 * A model behind an endpoint that speaks the OpenAI chat API. Answers are streamed, so that a connection that goes silent is
 * noticed and an answer that was cut off is told apart from a finished one. Retries are made here rather than by the client:
 * they share one deadline, listen to Retry-After, and count usage.
 */
export class OpenAiModel {
  readonly #client: OpenAI;
  readonly #options: OpenAiModelOptions;

  constructor(options: OpenAiModelOptions) {
    this.#options = options;
    this.#client = new OpenAI({
      // Local endpoints want no key, the client wants one.
      apiKey: options.apiKey ?? 'none',
      ...(options.baseUrl ? { baseURL: options.baseUrl } : {}),
      maxRetries: 0,
      timeout: options.callTimeoutMs,
      logLevel: 'off',
    });
  }

  get name(): string {
    return this.#options.model;
  }

  /** Asks until there is an answer, a final refusal, or no time left. Rejects only when `signal` is aborted. */
  async ask(question: ModelQuestion, signal: AbortSignal): Promise<ModelAnswer> {
    const { deadlineMs, retry, model } = this.#options;
    const deadline = Date.now() + deadlineMs;
    let usage = noUsage;
    for (let attempt = 0; ; attempt += 1) {
      const call = await this.#call(question, signal, deadline);
      usage = addUsage(usage, call.usage);
      if (call.ok) return { ok: true, text: call.text, usage, model: call.model ?? model };
      const pause = call.transient
        ? retryDelay(attempt, call.retryAfterMs, deadline - Date.now(), retry, Math.random())
        : undefined;
      if (pause === undefined) {
        const tried = attempt === 0 ? '' : ` (${attempt + 1} calls)`;
        return { ok: false, failure: { ...call.failure, message: call.failure.message + tried }, usage, model };
      }
      await delay(pause, undefined, { signal });
    }
  }

  async #call(question: ModelQuestion, signal: AbortSignal, deadline: number): Promise<CallOutcome> {
    const patience = Math.max(1, Math.min(this.#options.callTimeoutMs, deadline - Date.now()));
    const late = AbortSignal.timeout(patience);
    return tracedCall(this.#client.baseURL, this.#options, async (telemetry) => {
      try {
        const stream = await this.#client.chat.completions.create(this.#body(question), {
          signal: AbortSignal.any([signal, late]),
        });
        const answer = await readAnswer(stream);
        if (late.aborted) throw new APIUserAbortError();
        telemetry.answered(answer);
        return judge(answer, telemetry);
      } catch (error) {
        signal.throwIfAborted();
        const failed = late.aborted
          ? { transient: true, failure: unavailable(`The model gave no complete answer within ${patience} ms`) }
          : classify(error);
        telemetry.failed(late.aborted ? 'timeout' : errorType(error));
        return { ok: false, usage: noUsage, ...failed };
      }
    });
  }

  #body({ system, user, phase }: ModelQuestion): OpenAI.Chat.ChatCompletionCreateParamsStreaming {
    const { model, maxOutputTokens, temperature, responseFormat } = this.#options;
    const { name, schema } = answerFormat(phase);
    const structured = responseFormat === 'json_schema';
    return {
      model,
      messages: [
        { role: 'system', content: structured ? system : `${system}\n\nThe output schema:\n${JSON.stringify(schema)}` },
        { role: 'user', content: user },
      ],
      response_format: structured
        ? { type: 'json_schema', json_schema: { name, schema, strict: true } }
        : { type: 'json_object' },
      max_completion_tokens: maxOutputTokens,
      ...(temperature === undefined ? {} : { temperature }),
      stream: true,
      stream_options: { include_usage: true },
    };
  }
}

type CallOutcome = { usage: TokenUsage } & (
  | { ok: true; text: string; model?: string }
  | { ok: false; transient: boolean; retryAfterMs?: number; failure: ModelFailure }
);

function judge(answer: StreamedAnswer, telemetry: CallTelemetry): CallOutcome {
  const { usage } = answer;
  const no = (transient: boolean, failure: ModelFailure): CallOutcome => {
    telemetry.failed(failure.kind);
    return { ok: false, usage, transient, failure };
  };
  if (answer.refusal !== '' || answer.finish === 'content_filter') {
    const why = answer.refusal === '' ? 'a content filter' : answer.refusal.slice(0, 300);
    return no(false, { kind: 'refused', message: `The model refused to plan: ${why}` });
  }
  if (answer.finish === undefined) return no(true, unavailable("The model's answer broke off before its end"));
  if (answer.finish === 'length') {
    return no(false, { kind: 'truncated', message: "The model's answer exceeded the output limit and was cut off" });
  }
  if (answer.text.trim() === '') return no(false, { kind: 'malformed', message: 'The model answered with nothing' });
  return { ok: true, usage, text: answer.text, model: answer.model };
}

/** What an error of the endpoint means. Its body is not repeated: it may quote keys or prompts. */
function classify(error: unknown): { transient: boolean; retryAfterMs?: number; failure: ModelFailure } {
  if (error instanceof APIConnectionError || !(error instanceof APIError) || error.status === undefined) {
    return { transient: true, failure: unavailable('The model endpoint could not be reached') };
  }
  const { status, code } = error;
  const spent = code === 'insufficient_quota';
  if (status === 408 || status === 409 || status === 429 || status >= 500) {
    const what = spent ? 'says that its quota is used up' : status === 429 ? 'limits the rate of requests' : 'failed';
    return {
      transient: !spent,
      retryAfterMs: parseRetryAfter(error.headers, Date.now()),
      failure: unavailable(`The model endpoint ${what} (status ${status})`),
    };
  }
  const detail = typeof code === 'string' ? `, ${code.slice(0, 80)}` : '';
  return {
    transient: false,
    failure: { kind: 'misconfigured', message: `The model endpoint refused the request (status ${status}${detail})` },
  };
}

const errorType = (error: unknown): string =>
  error instanceof APIError && error.status !== undefined
    ? String(error.status)
    : error instanceof Error
      ? error.name
      : '_OTHER';

const unavailable = (message: string): ModelFailure => ({ kind: 'unavailable', message });
