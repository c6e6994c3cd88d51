import { EventLog, RegistryMirror } from '@flex/events';
import { connectJetStream } from '@flex/events/nest';
import { eventValidators, type ServiceOptions } from '@flex/events/service';
import { PlannerConfig } from './planner.config.js';
import { PlannerModule } from './planner.module.js';

/** A model's answer that is under way when the service stops gets this long; then another replica asks again. */
const PATIENCE_MS = 8_000;

/** What a planner process is made of. */
export const plannerService: ServiceOptions<PlannerConfig> = {
  name: 'planner',
  config: PlannerConfig,
  module: PlannerModule,
  warmUp: eventValidators(['plan.requested', 'plan.drafted', 'plan.draft_failed']),
  configure: (app, service) => {
    const { concurrency } = service.config;
    connectJetStream(app, service, app.get(EventLog), { defaults: { concurrency }, patienceMs: PATIENCE_MS });
    service.drain.on('close', 'registry mirror', () => app.get(RegistryMirror).close());
  },
};
