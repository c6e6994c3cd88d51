import { Controller } from '@nestjs/common';
import { Payload } from '@nestjs/microservices';
import { Durable, EventLog, type LogEvent } from '@flex/events';
import { OnEvent } from '@flex/events/nest';
import { ServiceContext } from '@flex/events/service';
import { onPolicyRequested, onRunSubmitted } from './core/policy-decisions.js';
import { countTrigger } from './trigger-meter.js';

/**
 * Reads submissions and occasions from the log and appends what follows from them. Keeps nothing between two events: a
 * replica more is a replica faster, and one that dies leaves its events to the others.
 */
@Controller()
export class PolicyController {
  constructor(
    private readonly service: ServiceContext,
    private readonly log: EventLog,
  ) {}

  @OnEvent('run.submitted', { durable: Durable.policyEnvelopes })
  async onRunSubmitted(@Payload() event: LogEvent<'run.submitted'>): Promise<void> {
    const answer = onRunSubmitted(event);
    if (!answer) return;
    await this.log.append(answer);
    if (answer.type === 'policy.normalized') return;
    const codes = answer.data.diagnostics.map(({ code }) => code);
    this.service.log.info({ runId: event.runId, codes }, 'policies refused');
  }

  @OnEvent('policy.requested', { durable: Durable.policyOccasions })
  async onPolicyRequested(@Payload() event: LogEvent<'policy.requested'>): Promise<void> {
    const verdict = onPolicyRequested(event);
    await this.log.append(verdict);
    if (verdict.type === 'policy.evaluated') return;
    const { policyId, action, nodeId } = verdict.data;
    countTrigger(action.type);
    this.service.log.info({ runId: event.runId, policyId, action: action.type, nodeId }, 'a policy acts');
  }
}
