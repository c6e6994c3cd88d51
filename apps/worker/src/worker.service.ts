import { Injectable, type OnModuleInit } from '@nestjs/common';
import type { Capability } from '@flex/contracts';
import { reasonOf, RegistryClient } from '@flex/events';
import { ServiceContext } from '@flex/events/service';
import { defineCapability, startWorker, type Handler, type RunningWorker } from '@flex/worker-sdk';
import { readCatalog, type Catalog } from './catalog.js';
import { craftedAgent } from './crafted-agent.js';
import { modelAgent } from './model-agent.js';
import { OpenAiChat } from './openai-chat.js';
import type { WorkerConfig } from './worker.config.js';

/** Brings the reference agents to life: models where one is configured, deterministic crafts otherwise. */
@Injectable()
export class WorkerService implements OnModuleInit {
  readonly #stopping = new AbortController();

  constructor(private readonly service: ServiceContext<WorkerConfig>) {}

  /** Doesn't wait for the registry: the process is up, and ready once its agents are registered. */
  onModuleInit(): void {
    const { config, log, drain, readiness } = this.service;
    const starting = this.#start(readCatalog(config.catalog));
    let fault = 'the agents are not registered yet';
    starting.then(
      () => (fault = ''),
      (error: unknown) => {
        fault = reasonOf(error);
        log.fatal({ reason: fault }, 'the agents cannot be registered');
      },
    );
    readiness.add('agents', () => {
      if (fault !== '') throw new Error(fault);
    });
    drain.on('consume', 'agents', async () => {
      this.#stopping.abort();
      const worker = await starting.catch(() => undefined);
      await worker?.stop();
    });
  }

  async #start({ facets, capabilities }: Catalog): Promise<RunningWorker> {
    const { nc, shape, instance, log, config } = this.service;
    const machines = capabilities.filter(({ agentType }) => agentType !== 'human');
    // People need no worker, and send no heartbeats: the orchestrator asks them.
    const people = capabilities.filter(({ agentType }) => agentType === 'human');
    const handlerOf = this.#handlers();
    const worker = await startWorker({
      nc,
      shape,
      instance,
      facets,
      capabilities: machines.map((capability) => defineCapability(capability, handlerOf(capability))),
      signals: false,
      logger: log,
      signal: this.#stopping.signal,
    });
    if (this.#stopping.signal.aborted) return worker;
    if (people.length > 0) await new RegistryClient(nc).registerMany({ capabilities: people });
    const agents = machines.map(({ capabilityId }) => capabilityId);
    log.info({ agents, model: config.hasModel }, 'the reference agents are up');
    return worker;
  }

  #handlers(): (capability: Capability) => Handler {
    const { config } = this.service;
    if (!config.hasModel) return () => craftedAgent;
    const chat = new OpenAiChat({
      baseUrl: config.openAiBaseUrl,
      apiKey: config.openAiApiKey,
      callTimeoutMs: config.callTimeoutMs,
      maxRetries: config.maxRetries,
      retryMs: config.retryMs,
      maxOutputTokens: config.outputTokens,
      responseFormat: config.responseFormat,
    });
    const schemaInPrompt = config.responseFormat === 'json_object';
    return (capability) => modelAgent(capability, { chat, model: config.model, schemaInPrompt });
  }
}
