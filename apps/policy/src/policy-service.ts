import { EventLog } from '@flex/events';
import { connectJetStream } from '@flex/events/nest';
import { eventValidators, type ServiceOptions } from '@flex/events/service';
import { rehearseEnvelope } from '@flex/planning';
import { PolicyConfig } from './policy.config.js';
import { PolicyModule } from './policy.module.js';

/** What a policy process is made of. */
export const policyService: ServiceOptions<PolicyConfig> = {
  name: 'policy',
  config: PolicyConfig,
  module: PolicyModule,
  warmUp: [
    rehearseEnvelope,
    ...eventValidators([
      'run.submitted',
      'policy.normalized',
      'policy.requested',
      'policy.evaluated',
      'policy.triggered',
      'policy.refused',
    ]),
  ],
  configure: (app, service) => {
    const { concurrency } = service.config;
    connectJetStream(app, service, app.get(EventLog), { defaults: { concurrency, prefetch: concurrency } });
  },
};
