import { Controller } from '@nestjs/common';
import { Ctx, Payload } from '@nestjs/microservices';
import { EventLog, reasonOf, type LogEvent } from '@flex/events';
import { JetStreamContext, OnEvent } from '@flex/events/nest';
import { ServiceContext } from '@flex/events/service';
import { answerToFault, type Asked, type PlanAnswer } from './core/plan-answer.js';
import { withinSpan } from './planning-span.js';
import { PlanningService } from './planning-service.js';

/** Unexpected faults are tried again this often before the run is told. */
const MAX_FAULTS = 3;

/** Reads planning requests from the log, shared by all replicas, and appends the answer to each. */
@Controller()
export class PlannerController {
  constructor(
    private readonly service: ServiceContext,
    private readonly planning: PlanningService,
    private readonly log: EventLog,
  ) {}

  @OnEvent('plan.requested', { durable: 'planner' })
  async onPlanRequested(
    @Payload() event: LogEvent<'plan.requested'>,
    @Ctx() { attempt, signal }: JetStreamContext,
  ): Promise<void> {
    await withinSpan('plan', { 'flex.run_id': event.runId }, async (traceparent) => {
      const asked: Asked = { runId: event.runId, data: event.data, traceparent: traceparent ?? event.traceparent };
      const answer = await this.#answer(asked, attempt, signal);
      await this.log.append(answer);
      this.#tell(event, answer);
    });
  }

  async #answer(asked: Asked, attempt: number, signal: AbortSignal): Promise<PlanAnswer> {
    try {
      return await this.planning.answer(asked, signal);
    } catch (error) {
      if (signal.aborted || attempt < MAX_FAULTS) throw error;
      return answerToFault(asked, reasonOf(error));
    }
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
    const nodes = (draft?.nodes ?? []).slice(0, 50).map(({ id, capabilityId, outputFacets }) => ({
      node: id,
      capabilityId,
      facets: outputFacets,
      score: selections?.[id]?.score,
    }));
    const registryRevision = data.registry.revision;
    const operations = delta?.operations.length;
    this.service.log.info({ ...about, registryRevision, runtime, model, usage, nodes, operations }, 'drafted');
  }
}
