import { Module } from '@nestjs/common';
import { RegistryMirror } from '@flex/events';
import { ServiceContext } from '@flex/events/service';
import { deterministicProposal } from './core/deterministic-proposal.js';
import { PlannerConsumer } from './planner-consumer.js';
import type { PlannerConfig } from './planner.config.js';
import { PlanningService, type Model } from './planning-service.js';

@Module({
  providers: [
    PlannerConsumer,
    {
      provide: RegistryMirror,
      inject: [ServiceContext],
      useFactory: (service: ServiceContext) => new RegistryMirror(service.nc),
    },
    {
      provide: PlanningService,
      inject: [ServiceContext, RegistryMirror],
      useFactory: async ({ config }: ServiceContext<PlannerConfig>, mirror: RegistryMirror) =>
        new PlanningService(mirror, deterministicProposal, await modelOf(config), {
          dynamic: config.dynamic,
          hybrid: config.hybrid,
          registryWaitMs: config.registryWaitMs,
          promptTokens: config.promptTokens,
          prices: { inputPerMillion: config.priceInput, outputPerMillion: config.priceOutput },
        }),
    },
  ],
})
export class PlannerModule {}

/** The client is loaded only where there is a model: a planner without one starts faster. */
async function modelOf(config: PlannerConfig): Promise<Model | undefined> {
  if (!config.hasModel) return undefined;
  const { OpenAiModel } = await import('./openai-model.js');
  return new OpenAiModel({
    model: config.model,
    baseUrl: config.openAiBaseUrl,
    apiKey: config.openAiApiKey,
    callTimeoutMs: config.callTimeoutMs,
    deadlineMs: config.deadlineMs,
    retry: { maxRetries: config.maxRetries, baseMs: config.retryMs, maxMs: 20_000 },
    maxOutputTokens: config.outputTokens,
    temperature: config.temperature,
    responseFormat: config.responseFormat,
  });
}
