import { Controller } from '@nestjs/common';
import { Ctx, Payload } from '@nestjs/microservices';
import { Durable, EventLog, reasonOf, type LogEvent } from '@flex/events';
import { JetStreamContext, OnEvent } from '@flex/events/nest';
import { ServiceContext } from '@flex/events/service';
import { answerToFault, type Asked, type PlanAnswer } from './core/plan-answer.js';
import { draftedForLog } from './core/plan-log.js';
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

  @OnEvent('plan.requested', { durable: Durable.planner })
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
    this.service.log.info({ ...about, ...draftedForLog(data, answer.data) }, 'drafted');
  }
}
