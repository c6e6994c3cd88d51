import { Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { everySubject } from '@flex/contracts';
import { openEventLog, type EventLog, type LogEvent, type Worker } from '@flex/events';
import { ServiceContext } from '@flex/events/service';
import { onPolicyRequested, onRunSubmitted } from './core/policy-decisions.js';
import type { PolicyConfig } from './policy.config.js';

type Consumed = 'run.submitted' | 'policy.requested';

/** The durable consumer that all replicas share. */
const DURABLE = 'policy';

/**
 * Reads submissions and occasions from the log and appends what follows from them. Keeps nothing between two events: a
 * replica more is a replica faster, and one that dies leaves its events to the others.
 */
@Injectable()
export class PolicyConsumer implements OnApplicationBootstrap {
  #log!: EventLog;

  constructor(private readonly service: ServiceContext<PolicyConfig>) {}

  async onApplicationBootstrap(): Promise<void> {
    const { nc, shape, config, log, drain, readiness } = this.service;
    this.#log = await openEventLog({ nc, source: 'policy', shape });
    const worker: Worker<Consumed> = this.#log.work<Consumed>({
      durable: DURABLE,
      filters: [everySubject('run.submitted'), everySubject('policy.requested')],
      handler: (event) => this.#handle(event),
      concurrency: config.concurrency,
      prefetch: config.concurrency,
      onFailure: (reason, { subject, seq, attempt, buried }) =>
        log[buried ? 'error' : 'warn']({ reason, subject, seq, attempt, buried }, 'judging failed'),
    });
    let attached = false;
    void worker.ready.then(() => (attached = true));
    readiness.add('consumer', () => {
      if (!attached) throw new Error('the consumer is not there yet');
    });
    drain.on('consume', 'policy consumer', () => worker.stop());
  }

  async #handle(event: LogEvent<Consumed>): Promise<void> {
    const answer = event.type === 'run.submitted' ? onRunSubmitted(event) : onPolicyRequested(event);
    if (!answer) return;
    await this.#log.append(answer);
    if (answer.type === 'policy.evaluated') return;
    const { runId } = event;
    const { log } = this.service;
    if (answer.type === 'policy.triggered') {
      const { policyId, action, nodeId } = answer.data;
      log.info({ runId, policyId, action: action.type, nodeId }, 'a policy acts');
    } else if (answer.type === 'policy.refused') {
      log.info({ runId, codes: answer.data.diagnostics.map(({ code }) => code) }, 'policies refused');
    }
  }
}
