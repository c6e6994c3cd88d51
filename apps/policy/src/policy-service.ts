import { EventLog } from '@flex/events';
import { connectJetStream } from '@flex/events/nest';
import type { ServiceOptions } from '@flex/events/service';
import { PolicyConfig } from './policy.config.js';
import { PolicyModule } from './policy.module.js';

/** What a policy process is made of. */
export const policyService: ServiceOptions<PolicyConfig> = {
  name: 'policy',
  config: PolicyConfig,
  module: PolicyModule,
  configure: (app, service) => {
    const { concurrency } = service.config;
    connectJetStream(app, service, app.get(EventLog), { defaults: { concurrency, prefetch: concurrency } });
  },
};
