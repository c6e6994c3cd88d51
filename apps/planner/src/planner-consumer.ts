import { Inject, Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { everySubject } from '@flex/contracts';
import { openEventLog, reasonOf, RegistryMirror, type EventLog, type LogEvent, type WorkContext } from '@flex/events';
import { ServiceContext } from '@flex/events/service';
import { answerToFault, type PlanAnswer } from './core/plan-answer.js';
import { withinTrace } from './event-trace.js';
import type { PlannerConfig } from './planner.config.js';
import { PlanningService } from './planning-service.js';

const DURABLE = 'planner';
/** A model's answer that is under way when the service stops gets this long; then another replica asks again. */
const PATIENCE_MS = 8_000;
/** Unexpected faults are tried again this often before the run is told. */
const MAX_FAULTS = 3;

/** Reads planning requests from the log, shared by all replicas, and appends the answer to each. */
@Injectable()
export class PlannerConsumer implements OnApplicationBootstrap {
  #log!: EventLog;

  constructor(
    private readonly service: ServiceContext<PlannerConfig>,
    private readonly planning: PlanningService,
    @Inject(RegistryMirror) private readonly mirror: RegistryMirror,
  ) {}

  async onApplicationBootstrap(): Promise<void> {
    const { nc, shape, config, log, drain, readiness } = this.service;
    this.#log = await openEventLog({ nc, source: 'planner', shape });
    readiness.add('registry', () => {
      if (!this.mirror.isReady) throw new Error('the registry is not mirrored yet');
    });
    drain.on('close', 'registry mirror', () => this.mirror.close());
    // Planning against a mirror that is still filling would find nothing and fail runs for no reason.
    await this.mirror.ready;
    const worker = this.#log.work<'plan.requested'>({
      durable: DURABLE,
      filters: [everySubject('plan.requested')],
      handler: (event, context) => this.#handle(event, context),
      concurrency: config.concurrency,
      onFailure: (reason, { subject, seq, attempt, buried }) =>
        log[buried ? 'error' : 'warn']({ reason, subject, seq, attempt, buried }, 'planning failed'),
    });
    let attached = false;
    void worker.ready.then(() => (attached = true));
    readiness.add('consumer', () => {
      if (!attached) throw new Error('the consumer is not there yet');
    });
    drain.on('consume', 'planner consumer', () => worker.stop(PATIENCE_MS));
  }

  async #handle(event: LogEvent<'plan.requested'>, { attempt, signal }: WorkContext): Promise<void> {
    await withinTrace(event, 'plan', async (traceparent) => {
      const asked = { runId: event.runId, data: event.data, traceparent };
      let answer: PlanAnswer;
      try {
        answer = await this.planning.answer(asked, signal);
      } catch (error) {
        if (signal.aborted || attempt < MAX_FAULTS) throw error;
        answer = answerToFault(asked, reasonOf(error));
      }
      await this.#log.append(answer);
      this.#tell(event, answer);
    });
  }

  #tell({ runId, data }: LogEvent<'plan.requested'>, answer: PlanAnswer): void {
    const about = { runId, requestId: data.requestId, attempt: data.attempt, phase: data.phase };
    if (answer.type === 'plan.draft_failed') {
      const codes = [...new Set(answer.data.diagnostics.map(({ code }) => code))];
      this.service.log.warn({ ...about, codes, usage: answer.data.usage }, answer.data.reason);
      return;
    }
    const { draft, delta, selections, usage } = answer.data;
    const { runtime, model } = draft?.metadata ?? delta?.metadata ?? {};
    const nodes = (draft?.nodes ?? []).map(({ id, capabilityId, outputFacets }) => ({
      node: id,
      capabilityId,
      facets: outputFacets,
      score: selections?.[id]?.score,
    }));
    this.service.log.info(
      {
        ...about,
        registryRevision: data.registry.revision,
        runtime,
        model,
        usage,
        nodes,
        operations: delta?.operations.length,
      },
      'drafted',
    );
  }
}
