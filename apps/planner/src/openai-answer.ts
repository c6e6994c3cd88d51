import type OpenAI from 'openai';
import { noUsage, type TokenUsage } from './core/model-usage.js';

/** A streamed answer, put together. */
export interface StreamedAnswer {
  text: string;
  refusal: string;
  /** Undefined when the stream ended without saying why: it was cut off. */
  finish: string | undefined;
  usage: TokenUsage;
  model?: string;
  id?: string;
}

export async function readAnswer(chunks: AsyncIterable<OpenAI.Chat.ChatCompletionChunk>): Promise<StreamedAnswer> {
  const answer: StreamedAnswer = { text: '', refusal: '', finish: undefined, usage: noUsage };
  for await (const chunk of chunks) {
    answer.model ??= chunk.model;
    answer.id ??= chunk.id;
    // Usage comes in a last chunk without choices.
    if (chunk.usage) {
      answer.usage = { inputTokens: chunk.usage.prompt_tokens, outputTokens: chunk.usage.completion_tokens };
    }
    const choice = chunk.choices?.[0];
    if (!choice) continue;
    answer.text += choice.delta?.content ?? '';
    answer.refusal += choice.delta?.refusal ?? '';
    answer.finish = choice.finish_reason ?? answer.finish;
  }
  return answer;
}
