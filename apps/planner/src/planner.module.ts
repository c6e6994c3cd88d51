import { Module } from '@nestjs/common';
import { EventLog, openEventLog, RegistryMirror } from '@flex/events';
import { ServiceContext, whenSettled } from '@flex/events/service';
import { rehearse } from '@flex/planning';
import { deterministicProposal } from './core/deterministic-proposal.js';
import { PlannerController } from './planner.controller.js';
import type { PlannerConfig } from './planner.config.js';
import { PlanningService, type Assembler, type Model } from './planning-service.js';

@Module({
  controllers: [PlannerController],
  providers: [
    {
      provide: EventLog,
      inject: [ServiceContext],
      useFactory: ({ nc, shape }: ServiceContext) => openEventLog({ nc, source: 'planner', shape }),
    },
    { provide: RegistryMirror, inject: [ServiceContext], useFactory: mirrorOf },
    {
      provide: PlanningService,
      inject: [ServiceContext, RegistryMirror],
      useFactory: async ({ config }: ServiceContext<PlannerConfig>, mirror: RegistryMirror) =>
        new PlanningService(mirror, assemblerOf(config), await modelOf(config), {
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

/** Complete before anything is planned: a mirror that is still filling would find nothing and fail runs for no reason. */
async function mirrorOf({ nc, drain }: ServiceContext): Promise<RegistryMirror> {
  const mirror = new RegistryMirror(nc);
  await mirror.ready;
  const unrehearsed = whenSettled(mirror, () => rehearse(mirror.snapshot(), () => performance.now()));
  drain.on('close', 'rehearsal', unrehearsed);
  return mirror;
}

const assemblerOf =
  ({ assemblyMs }: PlannerConfig): Assembler =>
  (...asked) =>
    deterministicProposal({ budgetMs: assemblyMs, clock: () => performance.now() }, ...asked);

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
