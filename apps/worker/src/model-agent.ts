import type { Capability, ValidationIssue } from '@flex/contracts';
import { RetryableError, type Handler, type StepContext } from '@flex/worker-sdk';
import { promptOf, repairOf, type Message } from './core/model-prompt.js';
import { readJson } from './core/structured-output.js';
import type { OpenAiChat } from './openai-chat.js';

export interface ModelAgentOptions {
  chat: OpenAiChat;
  /** Instead of the capability's preferred model. */
  model?: string;
  /** The schema has to stand in the prompt. */
  schemaInPrompt: boolean;
}

const DEFAULT_MODEL = 'gpt-4.1';

/**
 * An agent that is a model: asks it for the node's outputs in structured form, streams what it writes, and has it put
 * right, once, what breaks the node's schema.
 */
export function modelAgent(capability: Capability, { chat, model, schemaInPrompt }: ModelAgentOptions): Handler {
  const chosen = model ?? capability.preferredModels?.[0] ?? DEFAULT_MODEL;
  return async (inputs, context) => {
    const { instruction = '', outputSchema } = context;
    const messages = promptOf({ capability, instruction, inputs, outputSchema, schemaInPrompt });
    context.progress({ message: `Asking ${chosen}` });
    const first = await ask(messages, context);
    const found = judge(first, context);
    if (found.issues.length === 0) return found.outputs!;
    context.progress({ message: `Asking ${chosen} again: ${say(found.issues)}` });
    const second = judge(await ask([...messages, ...repairOf(first, found.issues)], context), context);
    if (second.issues.length === 0) return second.outputs!;
    throw new RetryableError(`The model's answer breaks the output schema: ${say(second.issues)}`, {
      code: 'OUTPUT_INVALID',
      issues: second.issues,
    });
  };

  function ask(messages: Message[], context: StepContext): Promise<string> {
    return chat.ask({
      model: chosen,
      messages,
      schemaName: `flex_${capability.capabilityId.replace(/[^A-Za-z0-9_-]/g, '_')}`.slice(0, 64),
      schema: context.outputSchema,
      signal: context.signal,
      onText: (piece) => context.text(piece),
      onUsage: ({ inputTokens, outputTokens }) => {
        const price = capability.cost?.pricePer1kTokens;
        const cost = price === undefined ? undefined : ((inputTokens + outputTokens) / 1000) * price;
        context.usage({ inputTokens, outputTokens, model: chosen, ...(cost === undefined ? {} : { cost }) });
      },
    });
  }
}

function judge(text: string, context: StepContext): { outputs?: Record<string, unknown>; issues: ValidationIssue[] } {
  const outputs = readJson(text);
  if (!outputs) return { issues: [{ pointer: '', message: 'is not one JSON object' }] };
  return { outputs, issues: context.validate(outputs) };
}

const say = (issues: ValidationIssue[]): string => `${issues[0]!.pointer || '/'} ${issues[0]!.message}`;
